/**
 * A holtfs mount against the directory that it stands on, bindfs, mergerfs and a passthrough on fuse-native, call by call, in turn round after round:
 * once with everything on one core, which takes waking another core out of the figures, and once on all. Peers that are not installed are
 * left out. The first round is not counted.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Row, Table } from './figures.ts'
import {
  dropCaches,
  type Filesystem,
  mountBindfs,
  mountHoltfs,
  mountMergerfs,
  mountPassthrough,
  plainDirectory,
} from './filesystems.ts'
import { PeerProcess } from './peer-process.ts'

/** @throws when a filesystem gives a wrong answer, or holtfs cannot be mounted. */
export async function benchPeers(scratch: string, rounds: number): Promise<Table[]> {
  return [await measure(scratch, rounds, true), await measure(scratch, rounds, false)]
}

async function measure(scratch: string, rounds: number, pinned: boolean): Promise<Table> {
  const directory = mkdtempSync(join(scratch, 'peers-'))
  const filesystems: Filesystem[] = []
  const clients: PeerProcess[] = []
  const absent: string[] = []
  try {
    filesystems.push(mountHoltfs(directory, pinned), plainDirectory(directory))
    for (const mount of [mountBindfs, mountMergerfs, mountPassthrough]) {
      try {
        filesystems.push(await mount(directory, pinned))
      } catch (error) {
        absent.push(` Left out: ${(error as Error).message}.`)
      }
    }
    for (const { name, directory: where } of filesystems) {
      clients.push(await PeerProcess.start(name, './peers-client.ts', [where], pinned))
    }
    const subjects = filesystems.map(({ name }) => name)
    const rows = clients[0].names.map(
      (operation): Row => ({ operation, unit: 'ns', values: Object.fromEntries(subjects.map(name => [name, []])) }),
    )
    for (let round = 0; round <= rounds; round++) {
      process.stderr.write(`peers${pinned ? ' on one core' : ''}: round ${round} of ${rounds}\n`)
      for (const { operation, values } of rows) {
        for (const [i, client] of clients.entries()) {
          if (operation.includes('cold')) dropCaches()
          const figure = await client.ask(operation)
          if (round > 0 && figure !== undefined) values[subjects[i]].push(figure)
        }
      }
    }
    const title = `${pinned ? 'Server and client on one core' : 'On all cores'}.${absent.join('')}`
    return { title, subjects, notCompared: ['plain directory'], rows }
  } finally {
    for (const client of clients) client.stop()
    for (const filesystem of filesystems) await filesystem.stop()
  }
}
