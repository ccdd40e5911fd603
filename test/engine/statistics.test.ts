/** What a tree tells about itself: gauges and counters that follow what is done to it, and the same for Prometheus. */
import test from 'ava'
import { openStore, renderPrometheus, type TreeStatistics } from '../../src/index.ts'
import { emptyDirectory, SMALL } from './store-fixture.ts'

/** Name and value of each sample; fails on a line that is neither a sample nor its description. */
function parse(t: import('ava').ExecutionContext, text: string): Map<string, number> {
  const samples = new Map<string, number>()
  const described = new Set<string>()
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line)
    if (type !== null) described.add(type[1])
    if (line.startsWith('#')) continue
    const [, name, value] = /^(holtfs_[a-z_]+) (\S+)$/.exec(line) ?? []
    t.truthy(name, line)
    t.true(described.has(name), `${name} has a type`)
    t.false(samples.has(name), `${name} is there once`)
    samples.set(name, Number(value))
  }
  return samples
}

test('counters and gauges follow what is done, and Prometheus reads the same numbers', t => {
  const store = openStore(emptyDirectory(t), SMALL)
  const { tree } = store
  const before: TreeStatistics = tree.stats()
  for (let i = 0; i < 1000; i++) tree.put(`key/${i}`, Buffer.alloc(1000, i & 255))
  tree.checkpoint()
  for (let i = 0; i < 3000; i++) tree.get(`key/${i % 1000}`)
  const stats = tree.stats()
  t.true(stats.counters.lookups >= 2048 && stats.counters.crossings > 0)
  const { depth } = tree.check()
  t.true(depth > 1 && stats.counters.crossings <= stats.counters.lookups * (depth - 1))
  t.is(stats.lastSeq - before.lastSeq, 1000)
  t.is(stats.checkpointSeq, stats.lastSeq)
  t.is(stats.dirtyFrames, 0)
  t.is(stats.counters.rounds - before.counters.rounds, 1)
  t.true(stats.counters.spillovers > 0 && stats.blobs > 1)
  t.true(stats.fill > 0.2 && stats.fill + stats.dead <= 1)
  t.true(stats.written.rounds > 1_000_000 && stats.written.manifest > 0)
  t.true(stats.roundTime.total >= stats.roundTime.longest && stats.roundTime.longest >= stats.roundTime.last)
  t.true(stats.roundTime.last > 0)
  t.is(stats.journal?.appends, 1000)
  const keys = Array.from({ length: 1000 }, (_, i) => `key/${i}`.length)
  t.is(stats.journal?.bodyBytes, 1000 * (1000 + 8) + keys.reduce((sum, length) => sum + length))
  const { rounds, ahead, manifest, amplification } = stats.written
  t.is(amplification, (rounds + ahead + manifest + stats.journal!.bytes) / stats.journal!.bodyBytes)

  const samples = parse(t, renderPrometheus(stats))
  t.is(samples.get('holtfs_last_seq'), stats.lastSeq)
  t.is(samples.get('holtfs_wal_appends_total'), 1000)
  t.is(samples.get('holtfs_frame_fill_ratio'), stats.fill)
  t.is(samples.get('holtfs_round_bytes_total'), stats.written.rounds)
  t.is(samples.get('holtfs_spillovers_total'), stats.counters.spillovers)
  for (const name of Object.keys(stats.counters)) {
    const sample = `holtfs_${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}_total`
    t.is(samples.get(sample), stats.counters[name as keyof typeof stats.counters])
  }
  store.close()
  const memory = openStore(undefined, SMALL)
  t.false(renderPrometheus(memory.tree.stats()).includes('wal_'))
  memory.close()
})
