#!/usr/bin/env node
/** The `holtfs` command: nothing but the list of its commands, each from a file of its own. */
import { registerCheck } from './check.ts'
import { registerMount } from './mount.ts'
import { runProgram } from './program.ts'
import { registerStats } from './stats.ts'
import { registerUmount } from './umount.ts'

await runProgram([
  // Loaded on demand, so that the short commands do not wait for the engine.
  program =>
    registerMount(program, async options => {
      // What fuse-native mounts, nobody can take over.
      if (options.transport === 'fuse-native') return (await import('../fs/mount-store.ts')).mountStore(options)
      return (await import('../fs/supervisor.ts')).superviseMount(options)
    }),
  registerUmount,
  registerCheck,
  registerStats,
])
