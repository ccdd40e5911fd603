/** The command line over MemoryOperations, in place of a store: writes the lock file, and takes its time to close. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { registerMount } from '../../src/cli/mount.ts'
import { runProgram } from '../../src/cli/program.ts'
import { registerUmount } from '../../src/cli/umount.ts'
import { HoltError } from '../../src/errors.ts'
import { serve } from '../../src/fs/fuse/serve.ts'
import type { MountStoreOptions } from '../../src/fs/mount-store.ts'
import { pathOf } from '../support/modules.ts'

async function mountStore(options: MountStoreOptions): Promise<void> {
  if (options.store.endsWith('not-a-store')) throw new HoltError('HOLT_NOT_A_STORE', `${options.store} is not a store`)
  mkdirSync(options.store, { recursive: true })
  writeFileSync(join(options.store, 'lock'), `${process.pid}\n`)
  const { durability, poolBytes, workers, readOnly } = options
  writeFileSync(join(options.store, 'options.json'), JSON.stringify({ durability, poolBytes, workers, readOnly }))
  await serve({
    mountpoint: options.mountpoint,
    name: options.store,
    workers: 1,
    module: pathToFileURL(pathOf(import.meta.url, './memory-operations')).href,
    handle: {},
    readOnly,
    options: options.options,
    onReady: options.onReady,
  })
  await sleep(400)
  writeFileSync(join(options.store, 'closed'), '')
}

await runProgram([program => registerMount(program, mountStore), registerUmount])
