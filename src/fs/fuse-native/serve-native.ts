/**
 * A mount over fuse-native from its beginning to its end. fuse-native does not say when the mount is gone, so the table of mounts
 * is looked at; and its handles keep the event loop going, so who calls this has to end the process afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import createDebug from 'debug'
import { HoltError } from '../../errors.ts'
import { run } from '../fuse/command.ts'
import { isRoot, refuseReserved, unmount, unmountNow } from '../fuse/mount.ts'
import { findMount, MOUNT_TYPE, mountPointPath } from '../fuse/mount-table.ts'
import type { Operations } from '../operations.ts'
import { Adapter } from './adapter.ts'
import { type FuseNative, loadFuseNative } from './load.ts'

const debug = createDebug('holtfs:fuse')
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Milliseconds between two looks at the table of mounts. */
const LOOK_EVERY = 100
/** Seconds that dirty mapped pages of a busy mount get to be written back when a signal ends it. */
const SYNC_PATIENCE = 10

export interface ServeNativeOptions {
  mountpoint: string
  /** Source of the mount: the absolute path of the store. */
  name: string
  readOnly: boolean
  /** Mount options as given with -o. */
  options: readonly string[]
  /** Called once, when the mount answers. */
  onReady(): void
}

/** Serves a mount; resolves when it has ended. @throws HoltError HOLT_MOUNT, HOLT_FAILED after a programming mistake */
export async function serveNative(operations: Operations, options: ServeNativeOptions): Promise<void> {
  const mountpoint = mountPointPath(options.mountpoint)
  let failure: HoltError | undefined
  const isMounted = () => {
    const there = findMount(mountpoint)
    return there?.type === MOUNT_TYPE && there.source === options.name
  }
  const release = () => {
    if (isMounted()) unmountNow(mountpoint, { abort: true })
  }
  const stop = async (signal: NodeJS.Signals) => {
    debug('%s', signal)
    try {
      await unmount(mountpoint)
    } catch (error) {
      debug('busy: %O', error)
      await run('timeout', [String(SYNC_PATIENCE), 'sync', '-f', mountpoint], 'ignore')
      release()
    }
  }
  const handlers = new Adapter(operations).handlers(error => {
    failure ??= new HoltError('HOLT_FAILED', `the filesystem crashed (${error}); the mount was taken down`, {
      applied: 'unknown',
      cause: error,
    })
    setImmediate(release)
  })
  const Fuse = loadFuseNative()
  const fuse = new Fuse(mountpoint, handlers, nativeOptions(options))
  for (const signal of SIGNALS) process.on(signal, stop)
  process.on('exit', release)
  try {
    await mount(fuse, mountpoint)
    options.onReady()
    while (isMounted()) await sleep(LOOK_EVERY)
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop)
    process.off('exit', release)
  }
  if (failure !== undefined) throw failure
}

function mount(fuse: FuseNative, mountpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fuse.mount(error => {
      if (error === null || error === undefined) resolve()
      else reject(new HoltError('HOLT_MOUNT', `fuse-native cannot mount on ${mountpoint}: ${error.message}`))
    })
  })
}

/** fuse-native joins its options to one list for libfuse, so further ones can follow the type. */
function nativeOptions({ name, readOnly, options }: ServeNativeOptions): object {
  refuseReserved(options)
  const allowOther = isRoot() || options.includes('allow_other')
  const more = options.filter(option => option !== 'allow_other' && option !== 'relatime')
  if (isRoot()) more.unshift('dev', 'suid')
  if (readOnly) more.push('ro')
  if (process.platform === 'linux') more.push('big_writes')
  return {
    // Every answer is given at once: no timer is needed.
    timeout: false,
    defaultPermissions: true,
    allowOther,
    fsname: name.replaceAll(/[\\,]/g, '\\$&'),
    // Each name of a file is an inode of its own to libfuse: attributes that are kept would be stale under the other names.
    subtype: ['holtfs', 'use_ino', 'attr_timeout=0', ...more].join(','),
  }
}
