/**
 * Several processes create, rename, remove, write and append in the same directories at once, served by four workers.
 * What each of them was told must add up: nobody's file is lost, nothing exists twice, no bytes mix, the store is sound.
 * HOLTFS_OPERATIONS is the number of operations a client (default 1500).
 */
import anyTest, { type ExecutionContext } from 'ava'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'
import {
  APPENDED,
  contentOf,
  FLEETING,
  type Outcome,
  RECORD,
  recordOf,
  SHARED,
  TARGETS,
  TOKENS,
} from './shared-client.ts'

const OPERATIONS = process.env.HOLTFS_OPERATIONS ?? '1500'
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const CLIENTS = 5
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

type Tree = Record<string, string | null>

for (const [pool, workers] of [
  ['256M', '4'],
  ['4M', '4'],
]) {
  test(`clients that share directories, ${workers} workers, a pool of ${pool}`, async t => {
    t.timeout(600_000)
    t.log(`seed ${SEED}`)
    const mount = new RealMount('workers')
    const options = ['--workers', workers, '--pool', pool]
    await mount.mount(...options)
    await sh(`mkdir ${SHARED.join(' ')}; echo token > ${TOKENS[0]}; touch ${APPENDED}`, mount.path)
    const clients = Array.from({ length: CLIENTS }, async (_, i) => {
      const argv = program('./shared-client', mount.path, String(i), String(SEED + i), OPERATIONS)
      return JSON.parse(await succeed(...argv)) as Outcome
    })
    const outcomes = await Promise.all(clients)
    const live = await readTree(mount)
    compare(t, live, outcomes)
    await mount.checkBetween(...options)
    t.deepEqual(await readTree(mount), live, 'the same after a restart')
    await sh('rm -rf -- *', mount.path)
    t.is(await sh('ls -A', mount.path), '')
    await mount.umount()
    await mount.check()
  })
}

async function readTree(mount: RealMount): Promise<Tree> {
  return JSON.parse(await succeed(...program('./read-tree', mount.path))) as Tree
}

function compare(t: ExecutionContext, tree: Tree, outcomes: Outcome[]): void {
  const left = { ...tree }
  const take = (path: string) => {
    const content = left[path]
    delete left[path]
    return content
  }
  for (const shared of SHARED) t.is(take(shared), null)

  for (const { kept } of outcomes) {
    for (const [path, id] of Object.entries(kept)) t.true(take(path) === contentOf(id), `${path} holds ${id}`)
  }

  const balance: Record<string, number> = {}
  for (const outcome of outcomes) {
    for (const [path, n] of Object.entries(outcome.balance)) balance[path] = (balance[path] ?? 0) + n
  }
  for (const [path, n] of Object.entries(balance)) t.is(take(path) !== undefined ? 1 : 0, n, `${path} exists`)

  t.deepEqual(
    TOKENS.map(take).filter(content => content !== undefined),
    ['token\n'],
    'one token',
  )

  const given = new Set(outcomes.flatMap(outcome => outcome.given))
  for (const target of TARGETS) {
    const content = take(target)
    if (content === undefined) continue
    const id = (content as string).split(':')[0]
    t.true(given.delete(id) && content === contentOf(id), `${target} holds one whole content: ${id}`)
  }

  const records = (take(APPENDED) ?? '') as string
  const expected = outcomes.flatMap((outcome, i) => Array.from({ length: outcome.records }, (_, n) => recordOf(i, n)))
  t.deepEqual(records.match(new RegExp(`[^]{${RECORD}}`, 'g'))?.sort(), expected.sort(), 'every record once')

  const names = outcomes.flatMap(outcome => outcome.fleeting).sort()
  const found = Object.keys(left).filter(path => path.includes('/') && FLEETING.includes(path.split('/')[0]))
  t.deepEqual(found.map(path => path.split('/')[1]).sort(), names, 'every name in a fleeting directory, once')
  for (const path of [...found, ...FLEETING]) take(path)
  t.deepEqual(Object.keys(left), [], 'nothing else')
}
