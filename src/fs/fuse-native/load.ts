/** Loads fuse-native, an optional dependency: where it is missing, the built-in transport is unaffected. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { HoltError } from '../../errors.ts'
import { koffi } from '../../journal/c-library.ts'

/** What a callback of fuse-native takes: zero or minus an errno, and the result. */
export type Done = (status: number, result?: unknown) => void

export interface FuseNative {
  mount(done: (error: Error | null) => void): void
}

export type FuseNativeClass = new (mountpoint: string, operations: object, options: object) => FuseNative

/** @throws HoltError HOLT_MOUNT with what to install */
export function loadFuseNative(): FuseNativeClass {
  const require = createRequire(import.meta.url)
  try {
    if (process.platform === 'linux') preloadLibrary(require)
    return require('fuse-native') as FuseNativeClass
  } catch (cause) {
    const why = (cause as Error).message.split('\n', 1)[0]
    throw new HoltError(
      'HOLT_MOUNT',
      `the transport fuse-native needs the package fuse-native, which cannot be loaded (${why}): npm install fuse-native, or use --transport builtin`,
      { cause },
    )
  }
}

/**
 * fuse-native is linked with libfuse.so.2 and brings that library along under another name, where the loader does not look. Loaded
 * before, it is found by the name it has inside.
 */
function preloadLibrary(require: NodeJS.Require): void {
  const { lib } = createRequire(require.resolve('fuse-native'))('fuse-shared-library') as { lib: string }
  const beside = join(require.resolve('fuse-native'), `../prebuilds/linux-${process.arch}/libfuse.so`)
  koffi().load(existsSync(lib) ? lib : beside, { global: true })
}
