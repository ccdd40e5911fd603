/**
 * The states show what syncs are for: with the syncs of any one line left out, some state is wrong. `npm run crash-states
 * -- --syncs` does it for all lines of the source, callers included, and all workloads.
 */
import test from 'ava'
import { neededSyncs } from './needed-syncs.ts'

/** What syncs directly, and a workload that needs it. */
const SYNCS: [line: string, workload: string][] = [
  ['journal/segments.ts', 'records.mapped'],
  ['journal/log-writer.ts', 'lives.mapped'],
  ['engine/store.ts', 'no-records.mapped'],
  ['engine/frame-file.ts', 'spillover.sync-written'],
  ['engine/manifest.ts', 'manifest-snapshot.sync-written'],
  ['fs/data-files.ts', 'truncate-and-extend.mapped'],
  ['fs/allocation.ts', 'rename-over.mapped'],
  ['fs/truncate.ts', 'inline-out-and-back.mapped'],
  ['fs/publication.ts', 'inline-out-and-back.mapped'],
]

for (const [line, workload] of SYNCS) {
  test(`the syncs of ${line} are missed when they are left out of ${workload}`, t => {
    const found = neededSyncs(1, workload, line, ({ lines, state, wrong }) => t.log(`${lines[0]}: ${state} ${wrong}`))
    t.true(found.length > 0)
    t.deepEqual(
      found.filter(({ state }) => state === undefined),
      [],
    )
  })
}
