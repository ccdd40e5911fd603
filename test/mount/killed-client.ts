/**
 * A client of the kill test: `killed-client.ts DIRECTORY LOG SEED KIND [OPERATIONS]`. Goes on from what the log says is
 * there, one operation after the other, each written to the log before and after its system call, until the mount is dead
 * or so many operations are done.
 */
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { seededRandom } from '../support/random.ts'
import { type LogLine, readLog } from './acknowledged-log.ts'
import { bytesOf, chooseBallast, chooseOperation, type Operation } from './acknowledged-operation.ts'

const [, , directory, logPath, seed, kind, operations] = process.argv
const choose = kind === 'ballast' ? chooseBallast : chooseOperation
const random = seededRandom(Number(seed))
const { model } = readLog(logPath)
const log = openSync(logPath, 'a')
/** What a call answers when the server dies: in the middle of it, or before it. */
const DEAD = new Set(['ECONNABORTED', 'ENOTCONN', 'EIO'])

process.umask(0o022)
for (let n = 0; n < Number(operations ?? Number.POSITIVE_INFINITY); n++) {
  const operation = choose(model, random)
  note({ begin: operation })
  let done = operation
  try {
    done = perform(operation)
  } catch (error) {
    if (DEAD.has((error as NodeJS.ErrnoException).code ?? '')) process.exit(0)
    throw new Error(`${JSON.stringify(operation)}: ${(error as Error).message}`)
  }
  if (done !== operation) note({ begin: done })
  note({ is: 'done' })
  model.apply(done)
}

function note(line: LogLine): void {
  writeSync(log, `${JSON.stringify(line)}\n`)
}

/** Returns what was done: a write(2) can be acknowledged in part when the server dies between two of its requests. */
function perform(operation: Operation): Operation {
  const path = `${directory}/${operation.path}`
  switch (operation.is) {
    case 'create':
      closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o644))
      break
    case 'mkdir':
      mkdirSync(path)
      break
    case 'rmdir':
      rmdirSync(path)
      break
    case 'unlink':
      unlinkSync(path)
      break
    case 'write':
      return write(path, constants.O_WRONLY, operation, operation.offset)
    case 'append':
      return write(path, constants.O_WRONLY | constants.O_APPEND, operation, null)
    case 'truncate':
      truncateSync(path, operation.size)
      break
    case 'rename':
      renameSync(path, `${directory}/${operation.to}`)
      break
    case 'link':
      linkSync(path, `${directory}/${operation.to}`)
      break
    case 'symlink':
      symlinkSync(operation.target, path)
      break
    case 'chmod':
      chmodSync(path, operation.mode)
  }
  return operation
}

type Write = Operation & { is: 'write' | 'append' }

/** One write(2). */
function write(path: string, flags: number, operation: Write, offset: number | null): Write {
  const { seed, length } = operation
  const fd = openSync(path, flags)
  try {
    const written = writeSync(fd, bytesOf(seed, length), 0, length, offset)
    return written === length ? operation : { ...operation, length: written }
  } finally {
    closeSync(fd)
  }
}
