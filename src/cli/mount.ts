/**
 * `holtfs mount`: serves a store on a directory. In the foreground with -f; else it starts itself again in the background and
 * returns when the mount answers, or with the one line that says why it does not.
 */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { MountStoreOptions } from '../fs/mount-store.ts'
import { defaultWorkers } from '../fs/worker-count.ts'
import { DURABILITIES, type Durability } from '../journal/durability.ts'
import { DEFAULT_POOL } from '../limits.ts'
import { givenPath } from './arguments.ts'
import { mountInBackground, reportFailure, reportReady } from './background.ts'
import { type MountOptions, parseMountOptions, parsePool, parseWorkers, TRANSPORTS } from './mount-options.ts'

/** Opens the store, serves it, closes it; resolves when the mount has ended. */
export type MountStore = (options: MountStoreOptions) => Promise<void>

interface MountArguments {
  foreground?: boolean
  o: MountOptions
  workers: number
  durability: Durability
  pool: number
  readOnly?: boolean
  transport: (typeof TRANSPORTS)[number]
}

export function registerMount(program: Command, mountStore: MountStore): void {
  program
    .command('mount')
    .description('serve a store on a directory')
    .argument('<store>', 'directory of the store; made when it does not exist', givenPath)
    .argument('<mountpoint>', 'an existing directory', givenPath)
    .option('-f, --foreground', 'stay in the foreground, log to stderr')
    .addOption(
      new Option('-o <options>', 'mount options: ro,noatime,allow_other,...; also workers=N and the like')
        .argParser(parseMountOptions)
        .default({ kernel: [] }, 'none'),
    )
    .option('--workers <n>', 'threads that serve requests', parseWorkers, defaultWorkers())
    .addOption(
      new Option('--durability <level>', 'when a change is acknowledged').choices(DURABILITIES).default('process'),
    )
    .addOption(
      new Option('--pool <size>', 'memory for metadata: bytes, or with K, M, G')
        .argParser(parsePool)
        .default(DEFAULT_POOL, '256M'),
    )
    .option('--read-only', 'change nothing (the same as -o ro)')
    .addOption(new Option('--transport <name>', 'how to talk to the kernel').choices(TRANSPORTS).default('builtin'))
    .action((store: string, mountpoint: string, { o, ...given }: MountArguments) =>
      runMount(
        resolve(store),
        resolve(mountpoint),
        { ...given, ...o, readOnly: given.readOnly === true || o.readOnly === true },
        mountStore,
      ),
    )
}

type Settings = Omit<MountArguments, 'o'> & MountOptions

async function runMount(store: string, mountpoint: string, given: Settings, mountStore: MountStore) {
  const { kernel: options, workers, durability, pool: poolBytes, readOnly = false, transport } = given
  if (!given.foreground) return mountInBackground(store, mountpoint, readOnly)
  try {
    await mountStore({
      store,
      mountpoint,
      options,
      workers,
      durability,
      poolBytes,
      readOnly,
      transport,
      onReady: reportReady,
    })
  } catch (error) {
    if (!(await reportFailure(error))) throw error
    process.exitCode = 1
  }
  // It leaves handles behind that would keep the process.
  if (transport === 'fuse-native') process.exit()
}
