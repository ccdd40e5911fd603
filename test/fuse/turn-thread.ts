/** A worker of turn.test.ts, with pipes in the place of the device: answers bytes, and takes its time for some. */
import { readSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { endTurns, Turn } from '../../src/fs/fuse/turn.ts'
import { LAST, LONG, type TurnThread } from './turn-thread-data.ts'

const { requests, replies, turns } = workerData as TurnThread
const byte = new Uint8Array(1)
const turn = new Turn(requests, turns)
do {
  turn.wait()
  readSync(requests, byte)
  turn.received(byte[0])
  const until = byte[0] === LONG ? performance.now() + 1 : 0
  while (performance.now() < until);
  writeSync(replies, byte)
} while (byte[0] !== LAST)
endTurns(turns)
