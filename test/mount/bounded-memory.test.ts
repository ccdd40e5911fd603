/**
 * No request, and no number of them, makes the server keep more memory: each kind of flood is let loose again and again, and after
 * the first time it must not grow. What it takes at all is bounded by its buffers, caches and pool. HOLTFS_FLOODS is how often.
 */
import anyTest from 'ava'
import { memoryOf } from '../soak/samples.ts'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

const KINDS = ['reads', 'writes', 'attributes', 'names', 'directories', 'openFiles', 'forgotten']
/** Times that a flood comes to be measured, after the first one. */
const AGAIN = Number(process.env.HOLTFS_FLOODS ?? 1)
const MAY_GROW = 24 << 20
/** Beyond the pool: threads, heaps, buffers, caches. */
const MOST = 400 << 20

test('floods of requests of every kind', async t => {
  t.timeout(3_600_000)
  const mount = new RealMount('flood')
  await mount.mount('--workers', '2', '--pool', '8M')
  const server = mount.serverPid()
  const memory = () => memoryOf(server) as number
  await sh(`mkdir ${KINDS.join(' ')}`, mount.path)
  const flood = async (times: number) => {
    for (let i = 0; i < times; i++) {
      for (const kind of KINDS) await succeed(...program('./flood-client', `${mount.path}/${kind}`, kind))
    }
  }
  await flood(1)
  const before = memory()
  await flood(AGAIN)
  const after = memory()
  t.log(`${before >> 20} MB after the first flood, ${after >> 20} MB after ${AGAIN} more`)
  t.true(after - before < MAY_GROW, `${before} to ${after}`)
  t.true(after < MOST, `${after}`)
  t.is(mount.serverPid(), server)
  await mount.umount()
  await mount.check()
})

test('callers that are interrupted all the time', async t => {
  const mount = new RealMount('flood')
  await mount.mount('--workers', '2', '--pool', '8M')
  const server = mount.serverPid()
  const interrupt = `
    for i in $(seq 100); do
      timeout -s INT 0.05 dd if=/dev/zero of=f$((i % 5)) bs=1M count=20 conv=fsync 2> /dev/null || true
    done; rm -f f*`
  await sh(interrupt.replace('100', '20'), mount.path)
  const before = memoryOf(server) as number
  await sh(interrupt, mount.path)
  const after = memoryOf(server) as number
  t.true(after - before < MAY_GROW, `${before} to ${after}`)
  t.is(mount.serverPid(), server)
  await mount.umount()
  await mount.check()
})
