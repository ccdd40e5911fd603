/**
 * The process of corruption.test.ts that may hang or crash: damages the files of a store one way after the other, reads all
 * of it each time, and prints a line of JSON with the verdict. Arguments: store, file with the model, seed, rounds.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { H_BLOOM, H_BLOOM_BYTES, H_KEY, H_LEAVES, H_USED } from '../../src/engine/layout.ts'
import { readManifest } from '../../src/engine/manifest.ts'
import { HoltError, openStore } from '../../src/index.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { seededRandom } from '../support/random.ts'
import { FRAME, SMALL } from './store-fixture.ts'

/** Records of the checkpoint, and those of the log in their order; values as latin1. */
export interface CorruptionModel {
  checkpoint: [string, string][]
  log: [string, string][]
}

/** `same`, `refused` with the message, or `wrong` with what is. */
export interface Verdict {
  what: string
  outcome: 'same' | 'refused' | 'wrong'
  message: string
}

const PAGE = 4096
const [store, modelFile, seed, rounds] = process.argv.slice(2)
const model = JSON.parse(readFileSync(modelFile, 'utf8')) as CorruptionModel
const older = `${store}.older`
const random = seededRandom(Number(seed))
const below = (limit: number) => Math.floor(random() * limit)
const stored = new Map([...model.checkpoint, ...model.log].map(([key, value]) => [key, Buffer.from(value, 'latin1')]))

/** Reads everything, by key and in order, and checks it: never a value that was not stored, nor a hole that is not told. */
function judge(): Omit<Verdict, 'what'> {
  const refusals: string[] = []
  const attempt = (read: () => void) => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof HoltError) || !/^HOLT_(CORRUPT_|MISSING_WAL|FORMAT|NOT_A_STORE)/.test(error.code))
        throw error
      refusals.push(`${error.code}: ${error.message}`)
    }
  }
  let wrong = ''
  attempt(() => {
    const { tree, close } = opened()
    try {
      let inLog = model.log.length
      for (const [key, value] of stored) {
        attempt(() => {
          const found = tree.get(key)
          // The end of a log that was never synced may be torn: what is lost then is all from one record on.
          const at = model.log.findIndex(([other]) => other === key)
          if (found === undefined && at >= 0) inLog = Math.min(inLog, at)
          else if (found === undefined || !found.equals(value) || at > inLog)
            wrong ||= `${key} has ${found?.length} bytes`
        })
      }
      attempt(() => {
        let seen = 0
        for (const entry of tree.range()) {
          seen++
          if (!stored.get(entry.key!.toString())?.equals((entry as { value: Buffer }).value))
            wrong ||= `wrong ${entry.key}`
        }
        if (seen !== model.checkpoint.length + inLog) wrong ||= `the range has ${seen} records`
      })
      const { problems } = tree.check()
      if (refusals.length > 0 && problems.length === 0) wrong ||= 'the check finds nothing'
      if (problems.length > 0 && refusals.length === 0) wrong ||= `the check finds ${problems[0].code}, reading nothing`
    } finally {
      close()
    }
  })
  if (wrong !== '') return { outcome: 'wrong', message: wrong }
  return refusals.length === 0 ? { outcome: 'same', message: '' } : { outcome: 'refused', message: refusals[0] }
}

function opened() {
  const opened = openStore(store, { ...SMALL, readOnly: true })
  return { tree: opened.tree, close: () => opened.close() }
}

function tell(what: string): void {
  let verdict: Verdict
  try {
    verdict = { what, ...judge() }
  } catch (error) {
    verdict = { what, outcome: 'wrong', message: (error as Error).stack ?? String(error) }
  }
  process.stdout.write(`${JSON.stringify(verdict)}\n`)
}

/** Judges with a file changed, and puts it back. */
function withFile(name: string, what: string, change: (bytes: Buffer) => Buffer): void {
  const path = join(store, name)
  const bytes = readFileSync(path)
  const damaged = change(Buffer.from(bytes))
  if (damaged.equals(bytes)) return
  writeFileSync(path, damaged)
  tell(`${name}: ${what}`)
  writeFileSync(path, bytes)
}

const flipAt = (at: number) => (bytes: Buffer) => {
  if (at < bytes.length) bytes[at] ^= 1 << below(8)
  return bytes
}

tell('nothing')

// frames.dat: every kind of page of plain and routed images.
const slots = [...readManifest(hostStorage, store).slots.values()].map(slot => slot - 1)
const frames = readFileSync(join(store, 'frames.dat'))
for (let round = 0; round < Number(rounds); round++) {
  for (const slot of slots) {
    const base = slot * FRAME
    const word = (at: number) => frames.readUInt32LE(base + at)
    const used = word(H_USED)
    const anywhere = (from: number, to: number) => from + below(Math.max(1, to - from))
    const places: [string, number][] = [
      ['magic and fields', anywhere(0, 68)],
      ['page checksums', anywhere(512, 512 + 4 * (Math.ceil(used / PAGE) - 1))],
      ['key of the frame', anywhere(H_KEY, 4092)],
      ['checksum of the header', anywhere(4092, 4096)],
      ['first data page', anywhere(PAGE, Math.min(used, 2 * PAGE))],
      ['a data page', anywhere(PAGE, used)],
      ['last byte', used - 1],
    ]
    if (word(H_LEAVES) !== 0) {
      places.push(['routing region', anywhere(PAGE, word(H_BLOOM))])
      places.push(['bloom filter', anywhere(word(H_BLOOM), word(H_BLOOM) + word(H_BLOOM_BYTES))])
      places.push(['a leaf page', anywhere(word(H_LEAVES), used)])
    }
    const [kind, at] = places[round === 0 ? (slot * 3) % places.length : below(places.length)]
    withFile('frames.dat', `slot ${slot}, ${kind}, byte ${at}`, flipAt(base + at))
    if (round > 0) continue
    const page = base + PAGE * below(Math.ceil(used / PAGE))
    withFile('frames.dat', `slot ${slot}, zeros at ${page - base}`, bytes =>
      bytes.fill(0, page, Math.min(page + PAGE, frames.length)),
    )
    const other = slots[below(slots.length)]
    withFile('frames.dat', `slots ${slot} and ${other} exchanged`, bytes => {
      const grown = Buffer.concat([bytes, Buffer.alloc(FRAME)])
      grown.copy(grown, other * FRAME, base, base + FRAME)
      frames.copy(grown, base, other * FRAME, other * FRAME + FRAME)
      return grown
    })
  }
}
for (const size of [0, 1, PAGE, FRAME - 1, Math.max(...slots) * FRAME + PAGE, frames.length - 1]) {
  withFile('frames.dat', `cut to ${size} bytes`, bytes => bytes.subarray(0, size))
}

// A page of the image that a blob had before, in the place of the page that it has now.
const olderSlots = readManifest(hostStorage, older).slots
const olderFrames = Buffer.concat([readFileSync(join(older, 'frames.dat')), Buffer.alloc(FRAME)])
for (const [blob, slot] of readManifest(hostStorage, store).slots) {
  const from = ((olderSlots.get(blob) ?? 0) - 1) * FRAME
  if (from < 0) continue
  const base = (slot - 1) * FRAME
  const page = PAGE * below(Math.ceil(frames.readUInt32LE(base + H_USED) / PAGE))
  withFile('frames.dat', `an old page ${page} of blob ${blob}`, bytes => {
    olderFrames.copy(bytes, base + page, from + page, from + page + PAGE)
    return bytes
  })
  // A write that the medium has acknowledged and not done: all checksums are right.
  withFile('frames.dat', `an old image of blob ${blob}`, bytes => {
    const grown = Buffer.concat([bytes, Buffer.alloc(FRAME)])
    olderFrames.copy(grown, base, from, from + FRAME)
    return grown
  })
}

// manifest and log: flipped and cut in many places (torn-manifest.test.ts and damaged-wal.test.ts have every byte).
const segments = readdirSync(join(store, 'wal')).sort()
for (const name of ['manifest', ...segments.map(segment => `wal/${segment}`)]) {
  const { length } = readFileSync(join(store, name))
  for (let i = 0; i < 12 * Number(rounds); i++) {
    const at = i < 6 ? [0, 8, 12, 28, 32, length - 1][i] : below(length)
    withFile(name, `byte ${at}`, flipAt(at))
    withFile(name, `cut to ${at} bytes`, bytes => bytes.subarray(0, at))
    withFile(name, `zeros from ${at}`, bytes => bytes.fill(0, at, Math.min(at + 512, length)))
  }
}

// Whole files.
for (const name of ['manifest', 'frames.dat', 'lock', 'wal', ...segments.map(segment => `wal/${segment}`)]) {
  const path = join(store, name)
  if (!existsSync(path)) continue
  renameSync(path, `${store}.aside`)
  tell(`no ${name}`)
  rmSync(path, { recursive: true, force: true })
  renameSync(`${store}.aside`, path)
}
for (const name of ['lock', 'manifest.new', 'reserve', 'holtfs.log', 'wal/notes', 'wal/1.wal']) {
  const before = existsSync(join(store, name)) ? readFileSync(join(store, name)) : undefined
  writeFileSync(join(store, name), Buffer.alloc(1000, 0x5a))
  tell(`noise in ${name}`)
  if (before === undefined) rmSync(join(store, name))
  else writeFileSync(join(store, name), before)
}
tell('nothing')
