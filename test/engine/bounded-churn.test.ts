/**
 * A store that is written for long stays small: frames.dat, the log, the manifest and the number of blobs are bounded by
 * what the tree holds, not by how often it changed.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import test from 'ava'
import { openTree } from '../../src/index.ts'
import { ROUND_WAL_BYTES } from '../../src/limits.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, FRAME, SEED } from './store-fixture.ts'

/** Changes; HOLTFS_CHURN_OPS=20000000 for what a busy day brings. */
const OPERATIONS = Number(process.env.HOLTFS_CHURN_OPS ?? 60_000)
const KEYS = 4000
const LARGEST = 3000

interface Sizes {
  frames: number
  wal: number
  manifest: number
  blobs: number
}

function larger(a: Sizes, b: Sizes): Sizes {
  return {
    frames: Math.max(a.frames, b.frames),
    wal: Math.max(a.wal, b.wal),
    manifest: Math.max(a.manifest, b.manifest),
    blobs: Math.max(a.blobs, b.blobs),
  }
}

for (const background of [true, false]) {
  test(`files stay bounded under churn, ${background ? 'with' : 'without'} a background thread`, async t => {
    t.log(`seed ${SEED}`)
    const random = seededRandom(SEED)
    const directory = emptyDirectory(t)
    const options = { poolBytes: 48 << 20, background, segmentBytes: 4 << 20, durability: 'async' as const }
    let tree = openTree(directory, options)
    const model = new Map<string, Buffer>()
    const fileSize = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0
    const wal = join(directory, 'wal')
    const sizes = (): Sizes => ({
      frames: fileSize(join(directory, 'frames.dat')) / FRAME,
      wal: (existsSync(wal) ? readdirSync(wal) : []).reduce((sum, name) => sum + fileSize(join(wal, name)), 0),
      manifest: fileSize(join(directory, 'manifest')),
      blobs: tree.stats().blobs,
    })
    let most = sizes()
    const value = Buffer.alloc(LARGEST, 'v')
    for (let i = 1; i <= OPERATIONS; i++) {
      const n = Math.floor(random() * KEYS)
      // A tide of puts, then one of deletes: the tree is nearly full and nearly empty in turn.
      const put = Math.floor(i / (OPERATIONS / 12)) % 2 === 0 ? 0.9 : 0.1
      const key = n % 2 === 0 ? `home/${n % 37}/${n}` : `i${String.fromCharCode(n >> 8, n & 255)}`
      if (random() < put) {
        const bytes = value.subarray(0, Math.floor(random() * LARGEST))
        tree.put(Buffer.from(key, 'latin1'), bytes)
        model.set(key, bytes)
      } else if (tree.delete(Buffer.from(key, 'latin1')) !== model.delete(key)) throw new Error(`${key}: wrong answer`)
      if (i % 997 === 0) {
        most = larger(most, sizes())
        await breathe()
      }
    }
    t.log({ most, rounds: tree.stats().counters.rounds, merges: tree.stats().counters.merges })
    assertHolds(tree, model)
    const whole = (KEYS * LARGEST) / FRAME
    t.true(most.blobs <= 2 * whole)
    // Live images, as many of the last checkpoint, and the slack that stays allocated.
    t.true(most.frames <= 4 * whole + 80, `${most.frames} slots`)
    t.true(most.wal <= 5 * ROUND_WAL_BYTES, `${most.wal} bytes`)
    t.true(most.manifest <= 2 << 20)
    tree.close()
    tree = openTree(directory, options)
    assertHolds(tree, model)
    tree.compact()
    tree.checkpoint()
    t.true(sizes().frames <= tree.stats().blobs + 1)
    tree.close()
  })
}
