/**
 * Renaming a directory carries everything below it along, whatever its number, and every path and open descriptor that
 * leads there; renames that POSIX forbids change nothing.
 */
import { join } from 'node:path'
import anyTest from 'ava'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const ENTRIES = 4000
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

function listing(directory: string): Promise<string> {
  return succeed(...program('./print-listing', directory))
}

test('a directory of thousands of entries is renamed with all of them, and again after a restart', async t => {
  const mount = new RealMount('rename')
  await mount.mount()
  await sh(
    `mkdir -p from/sub/deep other/parent
     cd from
     seq -f 'file-%.0f' ${ENTRIES} | xargs touch
     seq -f 'sub/name-%.0f' 1000 | xargs touch
     for i in $(seq 20); do mkdir sub/deep/$i; echo $i > sub/deep/$i/text; ln sub/deep/$i/text sub/link-$i; done
     head -c 20000 /dev/urandom > sub/large`,
    mount.path,
  )
  const before = await listing(join(mount.path, 'from'))
  t.is(before.trimEnd().split('\n').length, 1 + ENTRIES + 1 + 1000 + 1 + 20 * 3 + 1)

  const places = ['to', 'other/parent/in', 'from', 'other/from']
  let at = 'from'
  for (const place of places) {
    await sh(`mv -T '${at}' '${place}'; test ! -e '${at}'; test "$(cat '${place}'/sub/deep/7/text)" = 7`, mount.path)
    at = place
    t.is(await listing(join(mount.path, at)), before, at)
  }
  await mount.checkBetween()
  t.is(await listing(join(mount.path, at)), before, 'after a restart')
  await sh(`mv -T '${at}' again`, mount.path)
  t.is(await listing(join(mount.path, 'again')), before)
  await mount.umount()
  await mount.check()
})

test('working directories and open files below a renamed directory go with it', async t => {
  const mount = new RealMount('rename')
  await mount.mount()
  const out = await sh(
    `mkdir -p a/b/c; echo before > a/b/c/text
     exec 3>> a/b/c/text
     cd a/b/c
     mv -T ../../../a ../../../moved
     echo after >&3
     cat text; ls ..; cd ..; test "$(pwd -P)" = "$(cd ../../moved/b; pwd -P)"; ls
     mkdir ../../moved/b/new; ls`,
    mount.path,
  )
  t.is(out, 'before\nafter\nc\nc\nc\nnew\n')
  await mount.umount()
  await mount.check()
})

test('a directory replaces an empty one only, and is never moved below itself', async t => {
  const mount = new RealMount('rename')
  await mount.mount()
  await sh('mkdir -p a/x/y empty full/file; touch a/f plain', mount.path)
  const before = await listing(mount.path)
  const refused = `
    import { renameSync } from 'node:fs'
    for (const [from, to] of [['a', 'full'], ['a', 'a/x/z'], ['a', 'a/x'], ['a', 'plain'], ['plain', 'a'], ['no', 'b'], ['a', 'no/b']]) {
      try { renameSync(from, to); console.log('done', from, to) } catch (error) { console.log(error.code, from, to) }
    }`
  const script = `'${process.execPath}' --input-type=module -e "$1"`
  const out = await succeed('/bin/bash', ['-c', `cd "$0"; ${script}`, mount.path, refused])
  t.deepEqual(out.trimEnd().split('\n'), [
    'ENOTEMPTY a full',
    'EINVAL a a/x/z',
    'EINVAL a a/x',
    'ENOTDIR a plain',
    'EISDIR plain a',
    'ENOENT no b',
    'ENOENT a no/b',
  ])
  t.is(await listing(mount.path), before)
  await sh('mv -T a empty; test -d empty/x/y -a -f empty/f -a ! -e a', mount.path)
  await mount.umount()
  await mount.check()
})
