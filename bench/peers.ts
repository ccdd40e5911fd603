/**
 * A holtfs mount against the directory that it stands on, bindfs, mergerfs and a passthrough on fuse-native, call by call, in turn round after round:
 * once with everything on one core, which takes waking another core out of the figures, and once on all. Peers that are not installed are
 * left out. The first round is not counted.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from './figures.ts'
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
import { inTurn } from './rounds.ts'

/** @throws when a filesystem gives a wrong answer, or holtfs cannot be mounted. */
export async function benchPeers(scratch: string, rounds: number): Promise<Table[]> {
  return [await measure(scratch, rounds, true), await measure(scratch, rounds, false)]
}

async function measure(scratch: string, rounds: number, pinned: boolean): Promise<Table> {
  const directory = mkdtempSync(join(scratch, 'peers-'))
  const filesystems: Filesystem[] = []
  const clients = new Map<string, PeerProcess>()
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
      clients.set(name, await PeerProcess.start(name, './peers-client.ts', [where], pinned))
    }
    const subjects = [...clients.keys()]
    const [first] = clients.values()
    const what = `peers${pinned ? ' on one core' : ''}`
    const rows = await inTurn(what, rounds, first.names, clients, (operation, client) => {
      if (operation.includes('cold')) dropCaches()
      return client.ask(operation)
    })
    const title = `${pinned ? 'Server and client on one core' : 'On all cores'}.${absent.join('')}`
    return { title, subjects, notCompared: ['plain directory'], rows }
  } finally {
    for (const client of clients.values()) client.stop()
    for (const filesystem of filesystems) await filesystem.stop()
  }
}
