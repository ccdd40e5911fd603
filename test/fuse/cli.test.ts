/** The command line: background and foreground mounts, umount that waits for the store, exit codes, one-line errors. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { canMount, cleanUp, cli, isMounted, scratch, shell } from './harness.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

function places(name: string): { store: string; mnt: string; directory: string } {
  const directory = scratch(name)
  const mnt = join(directory, 'mnt')
  mkdirSync(mnt)
  return { store: join(directory, 'store'), mnt, directory }
}

test('mount returns when the mount answers; umount returns when the store is closed', async t => {
  const { store, mnt, directory } = places('cli')
  const options = ['--pool', '8M', '--durability', 'async', '--workers', '3', '-o', 'noatime,nosuid']
  t.deepEqual(await cli('mount', store, mnt, ...options), { code: 0, out: '', err: '' })
  t.true(isMounted(mnt))
  const passed = JSON.parse(readFileSync(join(store, 'options.json'), 'utf8'))
  t.deepEqual(passed, { durability: 'async', poolBytes: 8388608, workers: 3, readOnly: false })
  t.is((await shell('echo 1 > a; cat a; findmnt -no SOURCE "$PWD"', mnt)).out, `1\n${store}\n`)
  t.true(existsSync(join(store, 'holtfs.log')))

  const again = await cli('mount', `${store}2`, mnt)
  t.is(again.code, 1)
  t.regex(again.err, /^holtfs: .* is already a fuse.holtfs mount of .*\n$/)

  const user = shell('exec 3> open; sleep 1.5', mnt)
  await shell('until [ -e open ]; do sleep 0.05; done', mnt)
  const busy = await cli('umount', mnt)
  t.is(busy.code, 1)
  t.regex(busy.err, /^holtfs: .*busy.*--lazy\n$/)
  await user

  symlinkSync(mnt, join(directory, 'link'))
  t.false(existsSync(join(store, 'closed')))
  t.deepEqual(await cli('umount', join(directory, 'link')), { code: 0, out: '', err: '' })
  t.true(existsSync(join(store, 'closed')), 'the server has closed its store')
  t.false(isMounted(mnt))
})

test('a read-only mount by option', async t => {
  const { store, mnt } = places('cli')
  t.is((await cli('mount', store, mnt, '-o', 'ro')).code, 0)
  t.true(JSON.parse(readFileSync(join(store, 'options.json'), 'utf8')).readOnly)
  t.regex((await shell('touch a', mnt)).err, /Read-only/)
  t.is((await cli('umount', mnt)).code, 0)
})

test('umount --lazy detaches a busy mount, and the server ends with the last open file', async t => {
  const { store, mnt } = places('cli')
  t.is((await cli('mount', store, mnt)).code, 0)
  const user = shell(
    'exec 3<> open; echo still > /proc/self/fd/3; sleep 1.5; echo here >&3; cat open /proc/self/fd/3',
    mnt,
  )
  await shell('until [ -s open ]; do sleep 0.05; done', mnt)
  t.deepEqual(await cli('umount', '--lazy', mnt), { code: 0, out: '', err: '' })
  t.false(isMounted(mnt))
  t.false(existsSync(join(store, 'closed')))
  await user
  await shell('for i in $(seq 100); do [ -e closed ] && break; sleep 0.1; done', store)
  t.true(existsSync(join(store, 'closed')))
})

test('a mount that fails in the background prints the reason of the server and leaves nothing behind', async t => {
  const { directory, mnt } = places('cli')
  const store = join(directory, 'not-a-store')
  const result = await cli('mount', store, mnt)
  t.deepEqual(result, { code: 1, out: '', err: `holtfs: ${store} is not a store\n` })
  t.false(existsSync(store))
  const absent = await cli('mount', join(directory, 'store'), join(directory, 'absent'))
  t.is(absent.code, 1)
  t.regex(absent.err, /^holtfs: mount point .*absent does not exist; .*\n$/)
})

test('a foreground mount ends with exit code 0 on SIGTERM', async t => {
  const { store, mnt } = places('cli')
  const program = pathOf(import.meta.url, './memory-cli')
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, program, 'mount', '-f', store, mnt], { stdio: 'ignore' })
  const ended = new Promise(resolve => child.on('close', (code, signal) => resolve(code ?? signal)))
  await shell(`until findmnt '${mnt}' > /dev/null; do sleep 0.05; done; ls '${mnt}'`, '/')
  child.kill('SIGTERM')
  t.is(await ended, 0)
  t.true(existsSync(join(store, 'closed')))
})

test('umount of what is no holtfs mount is refused', async t => {
  const { directory, mnt } = places('cli')
  writeFileSync(join(directory, 'file'), '')
  const plain = await cli('umount', mnt)
  t.is(plain.code, 1)
  t.regex(plain.err, /^holtfs: .* is not a holtfs mount: nothing is mounted there\n$/)
  const proc = await cli('umount', '/proc')
  t.is(proc.code, 1)
  t.regex(proc.err, /is not a holtfs mount: it is a proc mount/)
  t.regex((await cli('umount', join(directory, 'absent'))).err, /does not exist/)
})

test('wrong usage exits with 2, help with 0', async t => {
  const cases: [string[], number, RegExp][] = [
    [['mount'], 2, /^holtfs: missing required argument 'store'/],
    [['mount', 'a', 'b', '--workers', '0'], 2, /whole number from 1 to 64/],
    [['mount', 'a', 'b', '--pool', '1M'], 2, /size from 4M to 2047M/],
    [['mount', 'a', 'b', '--durability', 'never'], 2, /Allowed choices are process, sync, async/],
    [['mount', 'a', 'b', '--transport', 'carrier-pigeon'], 2, /Allowed choices are builtin, fuse-native/],
    [['nonsense'], 2, /^holtfs: unknown command 'nonsense'/],
  ]
  for (const [argv, code, expected] of cases) {
    const result = await cli(...argv)
    t.is(result.code, code, argv.join(' '))
    t.regex(result.err, expected)
  }
  const help = await cli('mount', '--help')
  t.is(help.code, 0)
  t.regex(help.out, /Usage: holtfs mount \[options\] <store> <mountpoint>/)
})
