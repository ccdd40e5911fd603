/**
 * The turns of workers, with pipes in the place of the device: every request is served, whoever parks or polls. What it gains is a
 * matter of benches.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, read, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { createTurns } from '../../src/fs/fuse/turn.ts'
import { seededRandom } from '../support/random.ts'
import { startTypeScriptWorker } from '../support/typescript-worker.ts'
import { LAST, LONG, type TurnThread } from './turn-thread-data.ts'

const ROUNDS = Number(process.env.HOLTFS_TURNS ?? 5000)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const readAsync = promisify(read)

for (const workers of [1, 2, 4]) {
  test.serial(
    `${workers} workers serve one request at a time, bursts and long ones, and all leave at the end`,
    async t => {
      t.timeout(120_000)
      t.log(`seed ${SEED}`)
      const directory = mkdtempSync(join(tmpdir(), 'holtfs-turn-'))
      const [requests, replies] = ['requests', 'replies'].map(name => {
        execFileSync('mkfifo', [join(directory, name)])
        return openSync(join(directory, name), 'r+')
      })
      const data: TurnThread = { requests, replies, turns: createTurns() }
      const threads = Array.from({ length: workers }, () =>
        startTypeScriptWorker(new URL('./turn-thread.ts', import.meta.url), data),
      )
      const ends = threads.map(thread => once(thread, 'exit'))
      const random = seededRandom(SEED)
      const sent = Buffer.alloc(64)
      const received = Buffer.alloc(64)
      for (let i = 0; i < ROUNDS; i++) {
        const count = random() < 0.9 ? 1 : 1 + Math.floor(random() * 20)
        for (let j = 0; j < count; j++) sent[j] = random() < 0.01 ? LONG : 0
        writeSync(requests, sent, 0, count)
        for (let there = 0; there < count; ) there += (await readAsync(replies, received, 0, 64, null)).bytesRead
      }
      writeSync(requests, Buffer.alloc(workers, LAST))
      await Promise.all(ends)
      closeSync(requests)
      closeSync(replies)
      rmSync(directory, { recursive: true })
      t.pass()
    },
  )
}
