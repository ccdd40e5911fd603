/**
 * What a user does first: copies a tree in, works in it with git, renames it, removes it. After every step the store is
 * unmounted, checked and mounted again. HOLTFS_TREE_FILES is the number of real files (default 3000).
 */
import { join } from 'node:path'
import anyTest from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'
import { makeSourceTree } from './source-tree.ts'

const FILES = Number(process.env.HOLTFS_TREE_FILES ?? 3000)
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Everything that stat(2) tells, a line a name. */
function listing(directory: string): Promise<string> {
  return succeed(...program('./print-listing', directory))
}

/** The first lines in which two listings differ, so that a failure is readable. */
function difference(actual: string, expected: string): string {
  if (actual === expected) return ''
  const [have, want] = [new Set(actual.split('\n')), new Set(expected.split('\n'))]
  const extra = [...have].filter(line => !want.has(line)).slice(0, 10)
  const missing = [...want].filter(line => !have.has(line)).slice(0, 10)
  return `expected:\n${missing.join('\n')}\nfound:\n${extra.join('\n')}`
}

test('a tree of real files is copied in, worked on, renamed and removed, and the store is sound after each step', async t => {
  t.timeout(3_600_000)
  const mount = new RealMount('tree')
  const source = join(mount.directory, 'source')
  let started = Date.now()
  const done = (what: string) => {
    t.log(`${what}: ${((Date.now() - started) / 1000).toFixed(1)} s`)
    started = Date.now()
  }
  await makeSourceTree(source, FILES)
  const expected = await listing(source)
  t.true(expected.split('\n').length > FILES)
  done(`source of ${expected.split('\n').length} names`)

  await mount.mount()
  await sh(`mkdir tree; tar -C '${source}' --format=posix -cf - . | tar -C tree -xpf -`, mount.path)
  done('copied with tar')
  const tree = join(mount.path, 'tree')
  // Special files have no bytes to compare, and reading a pipe waits.
  await sh(`diff -r --no-dereference -x pipe -x null '${source}' '${tree}'`, '/')
  done('diff -r')
  t.is(difference(await listing(tree), expected), '')
  done('listing')
  await mount.checkBetween()
  done('umount, check, mount')
  await sh(`diff -r --no-dereference -x pipe -x null '${source}' '${tree}'`, '/')
  t.is(difference(await listing(tree), expected), '', 'after a restart')
  done('diff -r and listing after the restart')

  const git = 'git -c user.name=t -c user.email=t@example.org -c core.autocrlf=false -c safe.directory=*'
  await sh(`mkdir work; cp -a tree/rare work/; cp -a tree${join(PROJECT, 'node_modules')} work/packages`, mount.path)
  const work = join(mount.path, 'work')
  await sh(`git init -q .; ${git} add -A .; ${git} commit -q -m all`, work)
  t.is(await sh(`${git} status --porcelain; ${git} fsck --strict --no-progress 2>&1`, work), '')
  const tracked = await sh(`${git} ls-files -s | sha256sum`, work)
  await sh(
    `${git} checkout -q -b other; echo more > more; rm rare/one; ${git} add -A; ${git} commit -q -m more; ${git} gc -q`,
    work,
  )
  await sh(`${git} checkout -q -; test -e rare/one -a ! -e more`, work)
  done('git')
  await mount.checkBetween()
  t.is(await sh(`${git} status --porcelain; ${git} fsck --strict --no-progress 2>&1`, work), '', 'after a restart')
  t.is(await sh(`${git} ls-files -s | sha256sum`, work), tracked)
  done('git after a restart')

  const inodes = (directory: string) => sh("find . -printf '%i %p\\0' | sha256sum", directory)
  const numbers = await inodes(tree)
  const moved = join(mount.path, 'elsewhere', 'moved')
  await sh('mkdir elsewhere; mv -T tree elsewhere/moved; test ! -e tree', mount.path)
  t.is(difference(await listing(moved), expected), '', 'renamed')
  t.is(await inodes(moved), numbers)
  await mount.checkBetween()
  t.is(difference(await listing(moved), expected), '', 'renamed, after a restart')
  t.is(await inodes(moved), numbers)
  done('renamed')

  await sh('rm -rf elsewhere work', mount.path)
  t.is(await sh('ls -A', mount.path), '')
  done('removed')
  await mount.checkBetween()
  t.is(await sh('ls -A', mount.path), '')
  await mount.umount()
  await mount.check()
  t.is(await sh('find data -type f', mount.store), '', 'no bytes are left on the host')
})
