/** What can be fuzzed, by name. */
import { recordTarget } from './records.ts'
import { requestTarget } from './requests.ts'
import { storeTarget } from './stores.ts'
import type { Target } from './target.ts'

const WALKERS = [
  'engine/frame-file.ts',
  'engine/check.ts',
  'engine/walker/lookup.ts',
  'engine/walker/walk.ts',
  'engine/walker/fill.ts',
  'engine/walker/place.ts',
  'engine/walker/scan.ts',
  'engine/walker/node.ts',
  'engine/walker/insert.ts',
  'engine/walker/item.ts',
  'engine/walker/erase.ts',
  'engine/walker/clone.ts',
]
const COLD = [
  'engine/walker/cold.ts',
  'engine/walker/image-reader.ts',
  'engine/routing-cache.ts',
  'engine/check-routing.ts',
  'engine/walker/bloom.ts',
]
const LOG = [
  'journal/record.ts',
  'journal/replay.ts',
  'journal/segments.ts',
  'engine/apply.ts',
  'engine/batch.ts',
  'engine/load-chunk.ts',
]

export const TARGETS: readonly Target[] = [
  storeTarget('frames', ['plain', 'several'], 'frame/', WALKERS),
  storeTarget('routed-frames', ['routed'], 'frame/', [...COLD, ...WALKERS]),
  storeTarget('log', ['logged', 'rounds'], 'wal/', LOG),
  storeTarget('manifest', ['rounds', 'plain'], 'manifest', ['engine/manifest.ts', 'engine/store.ts']),
  recordTarget,
  requestTarget,
]
