/**
 * Stores in which somebody else had a hand: what is not the store's own is refused by every command before it is read, cut or
 * written, and nothing waits for it. As root, whom it would cost most.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { canMount, cleanUp, holtfs, RealMount, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** A store with a log, frames and a data file, closed by a kill so that all of them are needed again. */
async function makeStore(): Promise<RealMount> {
  const mount = new RealMount('planted')
  await mount.mount()
  await sh('head -c 50000 /dev/zero > large; echo small > small; sync large', mount.path)
  await mount.kill()
  await mount.detach()
  await sh('cp -a store intact; echo precious > precious', mount.directory)
  return mount
}

/** Runs a command that must be refused in one line, soon, and leave the precious file as it is. */
async function refused(t: ExecutionContext, { directory }: RealMount, what: RegExp, ...argv: string[]): Promise<void> {
  const { code, out, err } = await holtfs(...argv)
  t.true(code === 1 || (argv[0] === 'check' && code === 3), `${argv[0]}: ${code} ${out}${err}`)
  t.regex(err, what)
  t.regex(err, /^holtfs: [^\n]+\n$/)
  t.is(
    await sh('cat precious; stat -c %h precious', directory),
    `precious\n${await sh('find . -samefile precious | wc -l', directory)}`,
  )
}

const FILES = ['manifest', 'frames.dat', 'lock', 'reserve', 'wal/*', 'data/*/*']
const PLANTED: [string, string, RegExp][] = [
  ['a hard link to another file', 'ln -f ../precious "$f"', /has 2 names/],
  ['a file of another user', 'chown 1 "$f"', /belongs to user 1/],
  ['a FIFO', 'rm "$f"; mkfifo "$f"', /is a FIFO/],
  ['a device', 'rm "$f"; mknod "$f" c 1 5', /is a device/],
  ['a symbolic link', 'rm "$f"; ln -s "$PWD/../precious" "$f"', /symbolic link/],
]

for (const [what, plant, message] of PLANTED) {
  test(`in the place of a file: ${what}`, async t => {
    const mount = await makeStore()
    for (const file of FILES) {
      await sh(`rm -rf store; cp -a intact store; cd store; f=$(echo ${file}); ${plant}`, mount.directory)
      if (file === 'data/*/*') {
        // There may be many: they are looked at when they are opened.
        await mount.mount()
        await t.throwsAsync(sh('cat large', mount.path), { message: /Input\/output error/ })
        await t.throwsAsync(sh('head -c 20000 /dev/urandom >> large', mount.path), { message: /Input\/output error/ })
        t.is(await sh('cat small', mount.path), 'small\n', 'the others are served')
        t.is(await sh('cat precious', mount.directory), 'precious\n')
        await mount.umount()
        continue
      }
      await refused(t, mount, message, 'mount', mount.store, mount.path)
      if (file !== 'frames.dat') continue
      await refused(t, mount, message, 'mount', '--read-only', mount.store, mount.path)
      await refused(t, mount, message, 'check', mount.store)
      await refused(t, mount, message, 'stats', mount.store)
    }
  })
}

test('in the place of the log of the server, the control socket and a new manifest', async t => {
  const mount = await makeStore()
  await sh('cd store; rm -f holtfs.log; mkfifo holtfs.log', mount.directory)
  await refused(t, mount, /holtfs.log is a FIFO/, 'mount', mount.store, mount.path)
  await sh('cd store; rm holtfs.log; ln ../precious holtfs.log', mount.directory)
  await refused(t, mount, /holtfs.log has 2 names/, 'mount', mount.store, mount.path)
  await sh('cd store; rm holtfs.log; ln ../precious manifest.new', mount.directory)
  await refused(t, mount, /manifest.new has 2 names/, 'mount', mount.store, mount.path)
  await sh('cd store; rm manifest.new; rm -f control.sock; mkdir -p control.sock/x', mount.directory)
  await mount.mount()
  t.is(await sh('cat small', mount.path), 'small\n', 'a mount can do without its control socket')
  await mount.umount()
})

test('directories that others can change, in the store and on the way to it', async t => {
  const mount = await makeStore()
  const { directory, path } = mount
  const cases: [string, string, RegExp][] = [
    ['store', 'chmod 770 store', /others may write to the store/],
    ['store', 'chmod 777 store/wal', /others may write to the store .*wal/],
    ['store', 'chmod 777 store/data/*', /others may write to the store .*data/],
    ['store', 'chown 1 store/data', /data belongs to user 1/],
    ['store', 'chown 1 store/data/*', /data\/.. belongs to user 1/],
    ['store', 'chown 1 store', /store belongs to user 1, not to you/],
    ['store', 'mv store/data aside; ln -s ../aside store/data', /data is a symbolic link/],
    ['way/store', 'mkdir way; mv store way; chown 1 way', /way belongs to user 1, who could put another directory/],
    ['way/store', 'mkdir -m 777 way; mv store way; chmod 777 way', /everybody may write to .*way/],
    ['way/store', 'mkdir way; mv store way; chgrp 7 way; chmod 770 way', /group 7 may write to .*way/],
    ['way/deep/store', 'mkdir -p way/deep; mv store way/deep; chown 1 way', /way belongs to user 1/],
    ['link', 'ln -s store link; chown -h 1 link', /link is a symbolic link of user 1/],
    ['way/new', 'mkdir way; chown 1 way', /way belongs to user 1/],
  ]
  for (const [name, prepare, message] of cases) {
    await sh(`chmod -R u+rwx .; rm -rf store way link aside; cp -a intact store; ${prepare}`, directory)
    await refused(t, mount, message, 'mount', join(directory, name), path)
  }
  await refused(t, mount, /way belongs to user 1/, 'mount', '-f', join(directory, 'way/new'), path)
  // What is as safe as one's own.
  for (const [name, prepare] of [
    ['link', 'ln -s store link'],
    ['way/store', 'mkdir way; mv store way; chmod 1777 way'],
    ['way/store', 'mkdir way; mv store way; chmod 770 way'],
  ]) {
    await sh(`rm -rf store way link; cp -a intact store; ${prepare}`, directory)
    t.is((await holtfs('mount', join(directory, name), path)).err, '')
    t.is(await sh('cat small', path), 'small\n')
    await mount.umount()
  }
})

test('a mount point behind links: one’s own are followed, those of others are not', async t => {
  const mount = await makeStore()
  const { directory, store } = mount
  await sh(
    'ln -s mnt own; ln -s mnt foreign; chown -h 1 foreign; mkdir -p dir/mnt; ln -s dir way; chown -h 1 way',
    directory,
  )
  await refused(t, mount, /foreign is a symbolic link of user 1/, 'mount', store, join(directory, 'foreign'))
  await refused(t, mount, /way is a symbolic link of user 1/, 'mount', store, join(directory, 'way/mnt'))
  t.is((await holtfs('mount', store, join(directory, 'own'))).err, '')
  t.is(await sh('cat mnt/small', directory), 'small\n')
  t.is((await holtfs('umount', join(directory, 'own'))).err, '')
})

test('the way to the mount point changes all the time: the mount is there, or nowhere', async t => {
  const mount = new RealMount('planted')
  const { directory, store } = mount
  await sh('mkdir -p way/mnt victim/mnt; ln -s victim trap; chown -h 1 trap', directory)
  const swap =
    'while :; do sleep 0.1; mv -T way real; mv -T trap way; mv -T way trap; mv -T real way; done 2> /dev/null'
  const swapper = spawn('/bin/sh', ['-c', swap], { cwd: directory, stdio: 'ignore' })
  try {
    let mounted = 0
    for (let i = 0; i < 5; i++) {
      const { code } = await holtfs('mount', store, join(directory, 'way/mnt'))
      const table = await sh(`grep -F "\\040planted-" /proc/mounts || true`, directory)
      t.notRegex(table, /victim/)
      if (code === 0) mounted++
      while (mount.processes().length > 0) {
        await sh('for m in way real; do umount -l $m/mnt 2> /dev/null || true; done', directory)
      }
    }
    t.log(`${mounted} of 5 were mounted`)
  } finally {
    swapper.kill('SIGKILL')
  }
})
