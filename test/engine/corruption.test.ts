/**
 * Every file of a store damaged in every way: what is read is what was stored, or an error that says what is hit and what to
 * do. The reading runs in a process of its own under a watchdog, so that a loop without end or a crash is seen as one.
 * HOLTFS_CORRUPTIONS sets how often each kind of page is hit, HOLTFS_SEED repeats a run.
 */
import { spawn } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { openStore } from '../../src/index.ts'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { seededRandom } from '../support/random.ts'
import type { CorruptionModel, Verdict } from './corruption-process.ts'
import { emptyDirectory, SEED, SMALL } from './store-fixture.ts'

const ROUNDS = process.env.HOLTFS_CORRUPTIONS ?? '1'
/** Milliseconds in which one damaged store is read, on a machine that is busy with much else. */
const PATIENCE = 60_000

/** A store as a killed process leaves it: nodes of every kind, plain and routed frames, run crossings, a log in segments. */
function prepare(t: ExecutionContext): { store: string; model: string } {
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const live = join(directory, 'live')
  const store = join(directory, 'store')
  const opened = openStore(live, { ...SMALL, segmentBytes: 6000 })
  const { tree } = opened
  const records = new Map<string, string>()
  const put = (key: string, length: number) => {
    const value = `${key} ${'v'.repeat(Math.floor(random() * length))}`
    tree.put(key, value)
    records.set(key, value)
  }
  for (let i = 0; i < 1500; i++) put(`directory-${i % 9}/file-${i}`, 1500)
  // Fans of 4, 16, 48 and 256 bytes, terminals, long edges.
  for (const fan of [3, 14, 40, 200]) for (let i = 0; i < fan; i++) put(`fan-${fan}/${String.fromCharCode(33 + i)}`, 20)
  for (let i = 1; i < 12; i++) put(`deep/${'x'.repeat(i * 20)}`, 20)
  tree.compact()
  tree.checkpoint()
  cpSync(live, `${store}.older`, { recursive: true })
  for (let i = 0; i < 1500; i += 3) put(`directory-${i % 9}/file-${i}`, 1500)
  tree.checkpoint()
  const checkpoint = [...records]
  records.clear()
  for (let i = 0; i < 60; i++) put(`log/${i}`, 300)
  tree.flush()
  cpSync(live, store, { recursive: true })
  opened.close()
  const model = join(directory, 'model.json')
  const latin1 = (pairs: [string, string][]) =>
    pairs.map(([key, value]) => [key, Buffer.from(value).toString('latin1')] as [string, string])
  writeFileSync(
    model,
    JSON.stringify({ checkpoint: latin1(checkpoint), log: latin1([...records]) } satisfies CorruptionModel),
  )
  return { store, model }
}

test('whatever is damaged, what is read is what was stored, or an error that says what is hit', async t => {
  t.timeout(600_000)
  t.log(`seed ${SEED}`)
  const { store, model } = prepare(t)
  const program = pathOf(import.meta.url, './corruption-process')
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, program, store, model, String(SEED), ROUNDS], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const verdicts: Verdict[] = []
  let watchdog = setTimeout(() => {}, 0)
  const watch = () => {
    clearTimeout(watchdog)
    watchdog = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  }
  watch()
  const ended = new Promise(resolve => child.on('close', (code, signal) => resolve(signal ?? code)))
  for await (const line of createInterface(child.stdout)) {
    verdicts.push(JSON.parse(line) as Verdict)
    watch()
  }
  clearTimeout(watchdog)
  t.is(await ended, 0, `behind ${JSON.stringify(verdicts.at(-1))}`)
  t.deepEqual(
    verdicts.filter(({ outcome }) => outcome === 'wrong'),
    [],
  )
  const refused = verdicts.filter(({ outcome }) => outcome === 'refused')
  for (const { what, message } of refused) {
    t.regex(message, /^HOLT_[A-Z_]+: .*(frames\.dat|manifest|\.wal|wal:|blob \d+)/, what)
    t.regex(message, /check --repair|newer holtfs|program knows/, what)
  }
  t.log(`${verdicts.length} kinds of damage, ${refused.length} refused, the others harmless`)
  t.true(refused.length > 50)
  t.true(refused.some(({ message }) => message.includes('holds an older image of it')))
  t.is(verdicts[0].outcome, 'same')
  t.is(verdicts.at(-1)?.outcome, 'same')
  const harmless = verdicts.filter(({ outcome, what }) => outcome === 'same' && what.startsWith('frames.dat'))
  t.deepEqual(
    harmless.filter(({ what }) => / slot \d+, [^z]/.test(what)),
    [],
    'every flipped bit of an image is found',
  )
})
