#!/usr/bin/env node
/**
 * mount.fuse.holtfs: what mount(8) runs for a filesystem of type fuse.holtfs, by hand or from /etc/fstab, once it is in /sbin.
 * Turns the arguments that mount(8) gives to its helpers into those of `holtfs mount`. Exit codes are those of mount(8): 0
 * done, 1 wrong usage, 32 failed.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { remount } from './remount.ts'

const WRONG_USAGE = 1
const FAILED = 32

interface Given {
  store: string
  mountpoint: string
  /** Lists of options, in order. */
  lists: string[]
  fake: boolean
}

function parse(argv: string[]): Given {
  const flag = (short: string) => ({ type: 'boolean', short }) as const
  const text = (short: string) => ({ type: 'string', short }) as const
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      options: { ...text('o'), multiple: true },
      fake: flag('f'),
      'read-only': flag('r'),
      'read-write': flag('w'),
      sloppy: flag('s'),
      'no-mtab': flag('n'),
      verbose: flag('v'),
      types: text('t'),
      namespace: text('N'),
    },
  })
  const [store, mountpoint] = positionals
  if (positionals.length !== 2) throw new Error('usage: mount.fuse.holtfs STORE MOUNTPOINT [-o OPTIONS]')
  const lists = values.options ?? []
  if (values['read-only']) lists.push('ro')
  if (values['read-write']) lists.push('rw')
  return { store, mountpoint, lists, fake: values.fake === true }
}

async function main(): Promise<void> {
  const { store, mountpoint, lists, fake } = parse(process.argv.slice(2))
  if (fake) return
  const options = lists.join(',')
  if (options.split(',').includes('remount')) return remount(store, mountpoint, options)
  // The background server is started with this command line again.
  const program = fileURLToPath(new URL('./main.js', import.meta.url))
  const list = options === '' ? [] : ['-o', options]
  process.argv.splice(1, Number.POSITIVE_INFINITY, program, 'mount', ...list, '--', store, mountpoint)
  await import('./main.ts')
  if (process.exitCode === 1) process.exitCode = FAILED
  if (process.exitCode === 2) process.exitCode = WRONG_USAGE
}

try {
  await main()
} catch (error) {
  process.stderr.write(`mount.fuse.holtfs: ${(error as Error).message}\n`)
  process.exitCode = (error as { code?: unknown }).code === 'HOLT_MOUNT' ? FAILED : WRONG_USAGE
}
