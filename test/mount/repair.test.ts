/** `holtfs check --repair` as a user runs it: on a store that was filled through its mount, damaged, and mounted again. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest from 'ava'
import { readManifest } from '../../src/engine/manifest.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, holtfs, RealMount, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

const FRAME = 512 * 1024

/** Fills the mount; returns a listing of all files with their checksums. */
async function fill(mount: RealMount): Promise<string> {
  await sh(
    `for d in $(seq 12); do mkdir -p dir-$d/below; for f in $(seq 40); do printf '%3000s' "$d $f" > dir-$d/below/file-$f; done; done
     head -c 300000 /dev/urandom > large; ln -s dir-1 link; ln large dir-2/same; mv dir-3 moved`,
    mount.path,
  )
  return sums(mount)
}

const sums = (mount: RealMount) =>
  sh('find . -type f -print0 | sort -z | xargs -0 sha256sum; readlink link', mount.path)

/** Noise in every fifth page of a frame that is not the root's. */
function damage(store: string): void {
  const path = join(store, 'frames.dat')
  const bytes = readFileSync(path)
  const { slots } = readManifest(hostStorage, store)
  const slot = [...slots].find(([blob]) => blob !== 1)![1] - 1
  const end = Math.min(bytes.length, (slot + 1) * FRAME)
  for (let page = slot * FRAME + 8192; page < end; page += 20480) bytes.fill(0xa5, page, page + 4096)
  writeFileSync(path, bytes)
}

test('a damaged store is repaired beside itself, mounts again, and what is left is what was there', async t => {
  t.timeout(600_000)
  const mount = new RealMount('repair')
  await mount.mount()
  const before = new Map((await fill(mount)).split('\n').map(line => [line.slice(66), line.slice(0, 64)]))
  const refused = await holtfs('check', '--repair', mount.store)
  t.is(refused.code, 3)
  t.regex(refused.err, /in use by process/)
  await mount.umount()
  t.is((await holtfs('check', '--repair', mount.store)).code, 0, 'a clean store needs none')
  t.deepEqual(readdirSync(mount.directory).sort(), ['mnt', 'store'])

  damage(mount.store)
  const found = await holtfs('check', mount.store)
  t.is(found.code, 1)
  t.regex(found.out, /FRAME_UNREADABLE.*it held/)
  const asked = await holtfs('check', '--dry-run', '--json', mount.store)
  t.is(asked.code, 1)
  t.false(JSON.parse(asked.out).repair.done)
  t.deepEqual(readdirSync(mount.directory).sort(), ['mnt', 'store'])
  t.is((await holtfs('check', mount.store)).out, found.out)

  const repaired = await holtfs('check', '--repair', '--json', '--progress', mount.store)
  t.is(repaired.code, 0, repaired.err)
  t.regex(repaired.err, /reading frames: \d+ of \d+/)
  const { repair } = JSON.parse(repaired.out)
  t.true(repair.done)
  t.true(repair.lost.length > 0)
  t.regex(repair.kept, /store\.damaged-/)
  t.is((await holtfs('check', repair.kept)).code, 1, 'the damaged one is there as it was')
  await mount.check()
  await mount.mount()
  const told: string[] = repair.actions.map(({ path = '' }) => `.${path}`)
  let same = 0
  for (const line of (
    await sums(mount).catch(async () => sh('find . -type f -print0 | sort -z | xargs -0 sha256sum', mount.path))
  ).split('\n')) {
    const path = line.slice(66)
    if (path === '' || !before.has(path) || path.startsWith('./lost+found/')) continue
    if (before.get(path) === line.slice(0, 64)) same++
    else t.true(told.includes(path), `${path} has other bytes, and nobody said so`)
  }
  t.true(same > 0)
  t.log(`${same} of ${before.size} files have their name and their bytes`)
  await sh('echo new > new; rm -rf dir-1; mkdir -p a/b; mv a c', mount.path)
  await mount.umount()
  await mount.check()
})

test('a repair that is killed leaves the store as it was, or repaired', async t => {
  t.timeout(600_000)
  const mount = new RealMount('repair')
  await mount.mount()
  await fill(mount)
  await mount.umount()
  damage(mount.store)
  const before = await holtfs('check', mount.store)
  await sh('cp -a store intact', mount.directory)
  const main = join(PROJECT, 'dist/cli/main.js')
  let killed = 0
  for (let i = 0; i < 8; i++) {
    await sh('rm -rf store store.*; cp -a intact store', mount.directory)
    const child = spawn(process.execPath, [main, 'check', '--repair', mount.store], { stdio: 'ignore' })
    const ended = new Promise<unknown>(resolve => child.on('close', (code, signal) => resolve(signal ?? code)))
    // It is killed at some moment after it has begun to make the new store, or has done with it.
    while (child.exitCode === null && readdirSync(mount.directory).length < 4) await sleep(1)
    await sleep(i * 250)
    child.kill('SIGKILL')
    if ((await ended) === 'SIGKILL') killed++
    const after = await holtfs('check', mount.store)
    if (after.code === 0) continue
    t.is(after.out, before.out)
    t.is(await sh('diff -r -x lock intact store && echo same', mount.directory), 'same\n')
    const again = await holtfs('check', '--repair', mount.store)
    t.is(again.code, 0, `what the killed one left is no hindrance: ${again.err}`)
    await mount.check()
  }
  t.log(`${killed} of 8 were killed in time`)
})

test('a dead mount, which a server may be about to take over, is no store to repair', async t => {
  t.timeout(600_000)
  const mount = new RealMount('repair')
  await mount.mount()
  await fill(mount)
  await mount.umount()
  await mount.mount()
  await mount.kill()
  damage(mount.store)
  const refused = await holtfs('check', '--repair', mount.store)
  t.is(refused.code, 3)
  t.regex(refused.err, /is mounted on .*unmount it first/)
  await mount.detach()
  t.is((await holtfs('check', '--repair', mount.store)).code, 0)
  await mount.check()
})
