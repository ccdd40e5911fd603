/**
 * A holtfs mount against a plain directory on the same disk and a passthrough filesystem on fuse-native: the three in
 * turn, round after round, each worked on by a client process of its own, then by four at once, each of these in a directory of
 * its own. The first round is not counted.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Row, Table } from './figures.ts'
import { dropCaches, type Filesystem, mountHoltfs, mountPassthrough, plainDirectory } from './filesystems.ts'
import { PeerProcess } from './peer-process.ts'
import { inTurn } from './rounds.ts'

/** Before these the kernel drops names and inodes, but keeps file contents. */
const COLD = /nothing cached|kernel dropped/

/** What several clients are asked at once, as long as it lasts in each: nobody's caches are dropped. */
const AT_ONCE = [
  'stat of a missing name',
  'create an empty file',
  'unlink an empty file',
  'create a file and write 4 KB',
  'open, read 4 KB, close',
  'rename a file',
  'unlink a file of 4 KB',
  'mkdir',
  'rmdir',
]
const CLIENTS = 4

/** @throws when a filesystem gives a wrong answer, or holtfs cannot be mounted. */
export async function benchMounts(scratch: string, rounds: number): Promise<Table[]> {
  const directory = mkdtempSync(join(scratch, 'mount-'))
  const filesystems: Filesystem[] = []
  const clients = new Map<string, PeerProcess>()
  const crowds = new Map<string, PeerProcess[]>()
  try {
    filesystems.push(mountHoltfs(directory), plainDirectory(directory))
    let missing = ''
    try {
      filesystems.push(await mountPassthrough(directory))
    } catch (error) {
      missing = ` The fuse-native passthrough could not run here: ${(error as Error).message}.`
    }
    for (const { name, directory: where } of filesystems) {
      process.stderr.write(`mount: filling ${name}\n`)
      clients.set(name, await PeerProcess.start(name, './mount-client.ts', [where]))
      crowds.set(name, await startCrowd(name, where))
    }
    const subjects = filesystems.map(({ name }) => name)
    const notCompared = missing === '' ? ['plain directory'] : []
    const title = `One client process at a time; 1,000 files a round unless the row says otherwise.${missing}`
    const alone = { title, subjects, notCompared, rows: await ask(clients, rounds) }
    const together = `${CLIENTS} client processes at once: the time after which any of them has done another one.`
    return [alone, { title: together, subjects, notCompared, rows: await askAtOnce(crowds, rounds) }]
  } finally {
    for (const client of [...clients.values(), ...[...crowds.values()].flat()]) client.stop()
    for (const filesystem of filesystems) await filesystem.stop()
  }
}

/** Each has a directory of its own. */
async function startCrowd(name: string, where: string): Promise<PeerProcess[]> {
  const crowd: PeerProcess[] = []
  for (let i = 0; i < CLIENTS; i++) {
    crowd.push(await PeerProcess.start(name, './mount-client.ts', [join(where, `client-${i}`), '1000']))
  }
  return crowd
}

async function ask(clients: Map<string, PeerProcess>, rounds: number): Promise<Row[]> {
  const [first] = clients.values()
  return inTurn('mount', rounds, first.names, clients, (operation, client) => {
    if (COLD.test(operation)) dropCaches()
    return client.ask(operation)
  })
}

async function askAtOnce(crowds: Map<string, PeerProcess[]>, rounds: number): Promise<Row[]> {
  return inTurn(`mount: ${CLIENTS} clients`, rounds, AT_ONCE, crowds, async (operation, crowd) => {
    const figures = await Promise.all(crowd.map(client => client.ask(operation)))
    return Math.max(...figures.map(figure => figure as number)) / CLIENTS
  })
}
