/** The process that mapped-log.test.ts kills: opens the log, says how much it found, appends, tells each acknowledged seq. */
import { openSync, writeSync } from 'node:fs'
import { hostStorage } from '../../src/journal/storage.ts'
import { appendNext, openLog } from './fixture.ts'

const { journal, seqs } = openLog(hostStorage, { directory: process.argv[2], segmentBytes: 200_000 })
const fd = openSync(process.argv[3], 'w')
process.send?.(seqs.length)
const told = Buffer.alloc(8)
for (;;) {
  const seq = appendNext(journal)
  journal.commit(seq)
  told.writeDoubleLE(seq)
  writeSync(fd, told, 0, 8, 0)
}
