/** Serves a MemoryOperations mount: `memory-server.ts MNT [JSON of ServeOptions overrides]`. Prints "ready" when it answers. */
import { countAllRequests, createRequestCounters } from '../../src/fs/fuse/counters.ts'
import { serve } from '../../src/fs/fuse/serve.ts'

const [mountpoint, overrides = '{}'] = process.argv.slice(2)
const counters = createRequestCounters(4)
try {
  await serve({
    mountpoint,
    name: '/tmp/memory store',
    workers: 1,
    module: new URL('./memory-operations.ts', import.meta.url).href,
    handle: {},
    readOnly: false,
    options: [],
    onReady: () => console.log('ready'),
    requestCounters: counters,
    ...JSON.parse(overrides),
  })
  console.log(`served ${countAllRequests(counters)} requests`)
} catch (error) {
  console.error(`holtfs: ${(error as Error).message}`)
  process.exitCode = 1
}
