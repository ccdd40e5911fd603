/**
 * A process that works on files of a mount: forked by `run.ts`, told what to do by messages, one at a time. It writes the log of
 * its operations (each line before the operation) and, at the end, what it knows of its files beside it: `LOG.a.expected`,
 * and after a finding `LOG.a.found` too.
 */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Generator } from './generator.ts'
import { FILES, format, KINDS, type Kind, type Operation, operation, PAGE, parse } from './operation.ts'
import { Finding, Player } from './player.ts'
import { SystemTarget } from './target.ts'

export interface Task {
  /** Made if need be; its files a and b are. */
  directory: string
  /** The file that clients share. */
  shared: string
  /** Which window of it. */
  client: number
  /** Lines of a log, or how many random operations of a seed, the shared file among them or not. */
  operations: readonly string[] | { count: number; seed: number; isShared: boolean; without: readonly Kind[] }
  log?: string
  /** Errors are counted, and the operation done again. */
  keepsGoing: boolean
  /** Operations between two reports of progress. */
  reportEvery: number
  /** Whether the directory goes again. */
  isAttempt: boolean
}

export type Report =
  | { is: 'progress'; done: number }
  /** An operation that answered an error, and was done again. */
  | { is: 'error'; line: string; answer: string }
  | { is: 'end'; done: number; failure?: string; shared: number }

/** Errors in a row after which an operation is no longer tried. */
const PERSISTENT = 200
const RETRY_MS = 20

/** Whether what the server has may not be what the page cache has. */
let isDoubted = false

const send = (report: Report) => process.send!(report)

async function work(task: Task): Promise<void> {
  mkdirSync(task.directory, { recursive: true })
  const target = new SystemTarget(task.directory, task.shared, task.client)
  const player = new Player(target, task.keepsGoing ? errorReporter(task) : undefined)
  const log = task.log === undefined ? undefined : openSync(task.log, 'w')
  const note = (line: string) => log !== undefined && writeSync(log, `${line}\n`)
  note(`# client ${task.client}${'seed' in task.operations ? `, seed ${task.operations.seed}` : ''}`)
  const play = (op: Operation) => {
    note(format(op))
    player.play(op)
  }
  let done = 0
  let failure: string | undefined
  try {
    for (const op of operationsOf(task, player)) {
      play(op)
      if (++done % task.reportEvery !== 0) continue
      send({ is: 'progress', done })
      await setImmediate()
      if (isDoubted) for (const drop of dropAll(player)) play(drop)
      isDoubted = false
    }
    player.finish()
  } catch (error) {
    failure = error instanceof Finding ? error.message : String((error as Error).stack)
    note(`# ${failure}`)
  }
  target.close()
  if (log !== undefined) closeSync(log)
  if (task.log !== undefined) keep(task, player, failure !== undefined)
  if (task.isAttempt) {
    rmSync(task.directory, { recursive: true, force: true })
    rmSync(task.shared, { force: true })
  }
  send({ is: 'end', done, shared: player.files.s.size, ...(failure === undefined ? {} : { failure }) })
}

function* operationsOf({ operations }: Task, player: Player): Iterable<Operation> {
  if ('count' in operations) {
    const generator = new Generator(operations.seed, player.files, operations.isShared, operations.without)
    for (let i = 0; i < operations.count; i++) yield generator.next()
  } else {
    for (const line of operations) yield parse(line)
  }
}

function* dropAll(player: Player): Iterable<Operation> {
  for (const name of FILES) if (player.files[name].size > 0) yield operation('drop', name, { check: true })
}

function errorReporter(task: Task): (op: Operation, answer: number | string) => void {
  let last: Operation | undefined
  let times = 0
  return (op, answer) => {
    times = op === last ? times + 1 : 1
    last = op
    if (times > PERSISTENT) throw new Finding(`${format(op)}: answered ${answer} ${times} times`)
    send({ is: 'error', line: `client ${task.client}: ${format(op)}`, answer: String(answer) })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
  }
}

function keep({ directory, log }: Task, player: Player, failed: boolean): void {
  for (const name of FILES) {
    const { bytes, size } = player.files[name]
    writeFileSync(`${log}.${name}.expected`, bytes.subarray(0, size))
    const path = join(directory, name)
    if (failed && existsSync(path)) copyFileSync(path, `${log}.${name}.found`)
  }
}

/** The kinds that the filesystem of a directory refuses (tmpfs zeroes no ranges, for example). */
function unsupported(directory: string): Kind[] {
  mkdirSync(directory, { recursive: true })
  const target = new SystemTarget(directory, join(directory, 's'), 0)
  const player = new Player(target)
  player.play(operation('write', 'a', { length: 2 * PAGE, salt: 1 }))
  const kinds = KINDS.filter(kind => {
    try {
      player.play(operation(kind, 'a', { length: PAGE, from: PAGE, salt: 1 }))
      return false
    } catch (error) {
      if (/answered (EOPNOTSUPP|ENOTSUP|EINVAL)/.test((error as Error).message)) return true
      throw error
    }
  })
  target.close()
  rmSync(directory, { recursive: true, force: true })
  return kinds
}

process.on('disconnect', () => process.exit())
process.on('message', (message: Task | { probe: string } | { doubt: true }) => {
  if ('doubt' in message) isDoubted = true
  else if ('probe' in message) process.send!(unsupported(message.probe))
  else void work(message)
})
