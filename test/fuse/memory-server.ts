/**
 * Serves a MemoryOperations mount: `memory-server.ts MNT [JSON of ServeOptions overrides]`. Prints "ready" when it answers.
 * With `exitOnTouch` the process calls process.exit(7) at the first request after that.
 */

import { pathToFileURL } from 'node:url'
import { countAllRequests, createRequestCounters } from '../../src/fs/fuse/counters.ts'
import { serve } from '../../src/fs/fuse/serve.ts'
import { pathOf } from '../support/modules.ts'

const [mountpoint, overrides = '{}'] = process.argv.slice(2)
const counters = createRequestCounters(4)
const { exitOnTouch, ...options } = JSON.parse(overrides)

function ready(): void {
  console.log('ready')
  if (!exitOnTouch) return
  const before = countAllRequests(counters)
  setInterval(() => countAllRequests(counters) > before && process.exit(7), 10)
}

try {
  await serve({
    mountpoint,
    name: '/tmp/memory store',
    workers: 1,
    module: pathToFileURL(pathOf(import.meta.url, './memory-operations')).href,
    handle: {},
    readOnly: false,
    options: [],
    onReady: ready,
    requestCounters: counters,
    ...options,
  })
  console.log(`served ${countAllRequests(counters)} requests`)
} catch (error) {
  console.error(`holtfs: ${(error as Error).message}`)
  process.exitCode = 1
}
