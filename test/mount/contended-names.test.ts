/**
 * Several processes use the same few names of a mount in every way at once, with one and with four workers and with a pool
 * that is too small. What they were told must add up to the tree that is left: names, link counts, contents; it is the same
 * after a restart, and the store is sound.
 * HOLTFS_SECONDS is how long each run takes (default: 600 operations a client), HOLTFS_WORKERS the numbers of workers.
 */
import anyTest, { type ExecutionContext } from 'ava'
import { type Contended, FILES, KEPT, REPLACED, STANDING, UNIT } from './contended-client.ts'
import type { PrintedAttributes } from './print-attributes.ts'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const SECONDS = process.env.HOLTFS_SECONDS
const WORKERS = process.env.HOLTFS_WORKERS?.split(' ') ?? ['1', '4']
const CLIENTS = 4
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

type Tree = Record<string, PrintedAttributes>

for (const workers of WORKERS) {
  test(`${CLIENTS} clients, ${workers} workers, a pool of 4 MB`, async t => {
    t.timeout(3_600_000)
    t.log(`seed ${SEED}`)
    const mount = new RealMount('contended')
    const options = ['--workers', workers, '--pool', '4M']
    await mount.mount(...options)
    const directories = [...KEPT, ...REPLACED]
    await sh(`mkdir ${directories.join(' ')}; touch ${FILES.join(' ')}`, mount.path)
    await sh(`for d in ${directories.join(' ')}; do touch $d/${STANDING}; done`, mount.path)
    const until = SECONDS === undefined ? [] : [String(Date.now() + Number(SECONDS) * 1000)]
    const clients = Array.from({ length: CLIENTS }, async (_, i) => {
      const argv = program('./contended-client', mount.path, String(i), String(SEED + i), '600', ...until)
      return JSON.parse(await succeed(...argv)) as Contended
    })
    const outcomes = await Promise.all(clients)
    const live = await print(mount)
    compare(t, live, outcomes)
    hasTried(t, outcomes)
    await mount.checkBetween(...options)
    t.deepEqual(await print(mount), live, 'the same after a restart')
    await mount.umount()
    await mount.check()
  })
}

async function print(mount: RealMount): Promise<Tree> {
  return JSON.parse(await succeed(...program('./print-attributes', mount.path))) as Tree
}

function compare(t: ExecutionContext, tree: Tree, outcomes: Contended[]): void {
  const sum = (of: (outcome: Contended) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const entries = Object.entries(tree)
  const below = (directories: string[]) =>
    entries.filter(([path]) => directories.includes(path.split('/')[1]) && path.split('/').length === 3)
  const names = (directories: string[]) => below(directories).length - directories.length
  t.is(
    names(KEPT),
    sum(outcome => outcome.kept),
    'names made less names removed',
  )
  const most = sum(outcome => outcome.replaced)
  const renames = sum(outcome => outcome.renames)
  t.true(names(REPLACED) <= most && names(REPLACED) >= most - renames, `${names(REPLACED)} of ${most} - ${renames}`)

  const namesOf = new Map<string, number>()
  const made = new Set(outcomes.flatMap(outcome => outcome.made))
  const contents = new Map<string, string>()
  for (const [path, { ino, mode, nlink, size, content }] of entries) {
    if ((mode & 0o170000) === 0o040000) {
      const directories = entries.filter(([inner, found]) => {
        return (found.mode & 0o170000) === 0o040000 && inner.slice(0, inner.lastIndexOf('/')) === path
      })
      t.is(nlink, 2 + directories.length, `links of directory ${path}`)
      continue
    }
    namesOf.set(ino, (namesOf.get(ino) ?? 0) + 1)
    t.is(Number(size), (content as string).length, `size of ${path}`)
    if ((mode & 0o170000) === 0o120000) t.is(content, 'nowhere')
    else if (FILES.some(file => path === `./${file}`)) compareUnits(t, content as string, path)
    else if (!path.endsWith(STANDING)) {
      t.true(made.has(content as string), `${path} has the whole first content of a file: ${content}`)
      t.is(contents.get(content as string) ?? ino, ino, `two files with the content of ${path}`)
      contents.set(content as string, ino)
    }
  }
  for (const [path, { ino, mode, nlink }] of entries) {
    if ((mode & 0o170000) !== 0o040000) t.is(nlink, namesOf.get(ino) as number, `links of ${path}`)
  }
}

/** Each unit is whole, or never written. */
function compareUnits(t: ExecutionContext, content: string, path: string): void {
  for (let at = 0; at < content.length; at += UNIT) {
    const unit = content.slice(at, at + UNIT)
    const [token] = unit.match(/^<\d+ \d+>/) ?? ['\0']
    t.is(unit, token.repeat(Math.ceil(UNIT / token.length)).slice(0, UNIT), `unit ${at / UNIT} of ${path}`)
  }
}

/** Operations that hardly ever succeed show nothing. */
function hasTried(t: ExecutionContext, outcomes: Contended[]): void {
  for (const what of Object.keys(outcomes[0].tried)) {
    const done = outcomes.reduce((total, outcome) => total + (outcome.tried[what]?.[0] ?? 0), 0)
    t.true(done >= 3, `${what} succeeds ${done} times`)
  }
}
