/**
 * One directory with many entries: listed while others create, rename and remove entries in it, with places to go back to,
 * and removed. The server's memory does not grow with a listing. HOLTFS_ENTRIES is the number of entries (default 4000; a
 * million takes some minutes), HOLTFS_SEED the seed.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, RealMount, sh, succeed } from './real-mount.ts'

const ENTRIES = Number(process.env.HOLTFS_ENTRIES ?? 4000)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
/** Kilobytes by which the server may grow while a directory is listed. */
const GROWTH = 64 * 1024
const CLIENT = join(PROJECT, 'test/mount/large-directory.py')
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

test(`a directory of ${ENTRIES} entries`, async t => {
  t.timeout(3_600_000)
  t.log(`seed ${SEED}`)
  const mount = new RealMount('large')
  await mount.mount('--workers', '2')
  const large = join(mount.path, 'large')
  await sh('mkdir large', mount.path)
  const argv = (what: string) => [CLIENT, what, large, String(ENTRIES), String(SEED)]
  const client = (what: string) => succeed('python3', argv(what))
  const timed = async (what: string, work: () => Promise<string>) => {
    const begin = Date.now()
    const out = await work()
    t.log(`${what}: ${((Date.now() - begin) / 1000).toFixed(1)} s ${out.trim()}`)
    return out
  }
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${mount.serverPid()}/status`, 'utf8'))![1])

  await timed('created', () => client('create'))
  // The kernel forgets what it has cached: the server is asked.
  await succeed('mount', ['-i', '-o', 'remount', mount.path])
  const before = memory()
  await timed('listed three times, the longest in s', () => client('list'))
  t.log(`the server had ${before >> 10} MB, then ${memory() >> 10} MB`)
  t.true(memory() - before < GROWTH, 'listing takes constant memory')

  const churn = spawn('python3', argv('churn'), { stdio: ['pipe', 'pipe', 'inherit'] })
  const churned = new Promise<number | null>(resolve => churn.on('close', resolve))
  churn.stdout.on('data', text => t.log(`names that came and went meanwhile: ${String(text).trim()}`))
  await timed('listed three times among changes, the longest in s', async () => {
    const both = await Promise.all([client('list'), client('list')])
    return both.join(' ').replaceAll('\n', '')
  })
  churn.stdin.end('\n')
  t.is(await churned, 0)

  await timed('seekdir among removals', () => client('seek'))
  await timed('rm -rf', () => sh('rm -rf large; ls -A', mount.path))
  t.is(await sh('ls -A', mount.path), '')
  await mount.umount()
  await mount.check()
})
