/**
 * Runs a scenario while a host call fails: at each failure the caller must get an error that says so, and what a user sees
 * must be what was before the step or what comes after it; the step is then tried again, on the store as it is or, where that
 * has failed for good, after opening it again. At the end everything is there that is there without a fault: at once, after
 * a kill, and after everything was synced and the power has gone.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { emptyMedium } from '../fs/crash-run.ts'
import { FailingStorage, type StorageCall, SYNC_CALLS } from '../support/failing-storage.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'
import { seededRandom } from '../support/random.ts'
import type { Scenario, Step } from './scenarios.ts'
import { errnoFor, type Picture, Volume } from './volume.ts'

export interface Fault {
  /** `code` of the host's error; undefined: the process is killed instead. */
  code: string | undefined
  /** Kinds of calls that count; all by default. */
  kinds?: readonly StorageCall[]
  /** All later calls fail too, until the step has been tried three times. */
  persists?: boolean
  /** How many calls later another one fails. */
  again?: number
  /** The power goes when so many steps after the failure have returned that make what was before them durable. */
  cutAfterSteps?: number
  /** The power goes so many changing calls after the failure, and any part of what was not synced survives. */
  cutAfterCalls?: number
}

/** What a scenario leads to without a fault. */
export interface Expectation {
  scenario: Scenario
  steps: readonly Step[]
  /** The medium when the steps begin, everything on it durable. */
  medium: PowerCutStorage
  answers: unknown[]
  /** The picture before each step and at the end. */
  pictures: Picture[]
  /** Host calls. */
  calls: number
}

export interface Outcome {
  /** Whether the call was reached. */
  hasFailed: boolean
  /** How often the store had to be opened again. */
  reopened: number
  problems: string[]
}

const OPEN: Step = { name: 'open', run: v => v.open() }
/** Conditions that pass by themselves: the store goes on without being opened again. */
const PASSING = ['ENOSPC', 'EDQUOT', 'EMFILE']
/** Calls whose failure is no reason to stop, but for those that begin a log. */
const HARMLESS: readonly StorageCall[] = ['read', 'allocated', 'seek']

/** Runs a scenario without a fault, in a new directory; `dispose` removes it. */
export function expectationOf(
  scenario: Scenario,
  isMapped: boolean,
): Expectation & { directory: string; dispose(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-faults-'))
  const prepared = new Volume(directory, emptyMedium(directory, { mapping: isMapped }))
  for (const step of scenario.prepare) step.run(prepared)
  prepared.kill()
  const medium = prepared.medium.afterKill()
  const steps = [OPEN, ...scenario.steps]
  const volume = new Volume(directory, medium.afterKill())
  const before = new Volume(directory, medium.afterKill())
  const pictures = [before.picture()]
  before.kill()
  const answers: unknown[] = []
  for (const step of steps) {
    answers.push(step.run(volume))
    pictures.push(volume.picture())
  }
  const { calls } = volume.storage
  volume.kill()
  const dispose = () => rmSync(directory, { recursive: true, force: true })
  return { scenario, steps, medium, answers, pictures, calls, directory, dispose }
}

export function runWithFault(expected: Expectation & { directory: string }, fault: Fault, n: number): Outcome {
  const run = new FaultyRun(expected, fault, n)
  try {
    run.go()
  } catch (error) {
    run.problem(`${(error as Error).stack}`)
  } finally {
    run.volume.kill()
  }
  return { hasFailed: run.failures.length > 0, reopened: run.reopened, problems: run.problems }
}

class FaultyRun {
  readonly expected: Expectation
  readonly fault: Fault
  volume: Volume
  readonly problems: string[] = []
  reopened = 0
  /** Calls that have failed, in all processes. */
  readonly failures: FailingStorage['failures']
  #at = 0
  /** Index of the picture that is certain to survive a power cut, or a later one. */
  #durable = 0
  /** Durable steps since the failure. */
  #durableSteps = 0

  constructor(expected: Expectation & { directory: string }, fault: Fault, n: number) {
    this.expected = expected
    this.fault = fault
    const medium = expected.medium.afterKill()
    const { kinds, code, persists, again } = fault
    const storage = new FailingStorage(medium, {
      failAt: n,
      ...(kinds && { kinds }),
      ...(again && { failAlsoAt: n + again }),
      code: code ?? 'EKILL',
      sticky: persists === true,
      kills: code === undefined,
      partialWrites: n % 2 === 0,
    })
    this.failures = storage.failures
    this.volume = new Volume(expected.directory, medium, storage)
  }

  problem(what: string): void {
    const { name } = this.expected.steps[this.#at] ?? { name: 'the end' }
    const failures = this.failures.slice(0, 3).map(({ kind, path }) => `${kind} ${path}`)
    this.problems.push(`${name}, after ${failures.join(', ')}: ${what}`)
  }

  go(): void {
    const { steps } = this.expected
    for (this.#at = 0; this.#at < steps.length && this.problems.length === 0; this.#at++) {
      const step = steps[this.#at]
      try {
        this.#step(step)
      } catch (error) {
        if (!this.volume.medium.isFrozen) throw error
      }
      if (this.volume.medium.isFrozen) {
        this.#cutInStep()
        return
      }
      if (!step.isDurable || this.problems.length > 0) continue
      this.#durable = this.#at + 1
      if (this.failures.length === 0 || ++this.#durableSteps !== this.fault.cutAfterSteps) continue
      this.#cutAfter(step)
      return
    }
    if (this.problems.length === 0) this.#end()
  }

  /** The power has gone in a step: what is left is what was seen at some time since the last durable step. */
  #cutInStep(): void {
    const { medium, directory } = this.volume
    this.volume.kill()
    this.volume = new Volume(directory, medium.crash({ random: seededRandom(medium.calls) }))
    const found = this.volume.picture()
    const { pictures, steps } = this.expected
    const wrong: string[] = []
    for (let i = this.#durable; i <= this.#at + 1 && !wrong.includes(''); i++) {
      const isPart = i > this.#durable && steps[i - 1].isTorn && isMixture(found, pictures[i - 1], pictures[i], true)
      wrong.push(isPart ? '' : difference(found, pictures[i], true))
    }
    if (!wrong.includes('')) this.problem(`after a power cut: ${wrong.slice(-4).join('; or ')}`)
    this.#check('after a power cut', true)
  }

  #cutAfter(step: Step): void {
    const { volume } = this
    volume.storage.heal()
    const cut = volume.afterPowerCut()
    volume.kill()
    this.volume = cut
    const expected = this.expected.pictures[this.#at + 1]
    this.#compare('after a power cut', cut, expected, true)
    if (this.#hasLostData()) return
    for (const path of step.syncs ?? []) {
      if (!cut.picture().get(path)!.bytes.equals(expected.get(path)!.bytes)) this.problem(`${path} lacks bytes`)
    }
  }

  /** A sync of data files has failed: what it has lost, its caller was told. */
  #hasLostData(): boolean {
    return this.failures.some(({ kind, path }) => SYNC_CALLS.includes(kind) && path.includes('/data'))
  }

  #step(step: Step): void {
    const { expected, fault } = this
    /** It failed, but what it was to do is there, for as long as this process lives. */
    let isInDoubt = false
    for (let attempt = 1; attempt <= 8; attempt++) {
      try {
        if (isInDoubt) this.volume.tree.sync()
        const answer = isInDoubt ? expected.answers[this.#at] : step.run(this.volume)
        if (!isDeepStrictEqual(answer, expected.answers[this.#at])) {
          this.problem(`answered ${shown(answer)} instead of ${shown(expected.answers[this.#at])}`)
        }
        return
      } catch (error) {
        if (this.failures.length === 0) throw error
        if (this.volume.medium.isFrozen) return
        this.#judge(error)
      }
      const { medium } = this.volume
      if (fault.cutAfterCalls !== undefined && medium.freezeAt === 0)
        medium.freezeAt = medium.calls + fault.cutAfterCalls
      if (attempt === 3) this.volume.storage.heal()
      if (fault.code === undefined || attempt > (fault.persists ? 4 : fault.again ? 3 : 1)) this.#openAgain()
      isInDoubt = this.#isDone(step)
      if (this.problems.length > 0) return
    }
    this.problem('it never succeeds')
  }

  /** The caller must get an error that a program can tell from a mistake of ours. */
  #judge(error: unknown): void {
    const { code } = this.fault
    if (code === undefined) return
    const errno = errnoFor(error)
    const { EIO } = constants.errno
    const given = (constants.errno as Record<string, number>)[code]
    if (errno !== EIO && errno !== given) this.problem(`errno ${errno}`)
  }

  /** After a failure: whether the step has been carried out all the same. */
  #isDone(step: Step): boolean {
    if (!this.volume.isOpen) return false
    const before = this.expected.pictures[this.#at]
    const after = this.expected.pictures[this.#at + 1]
    const found = this.volume.picture()
    const fromBefore = difference(found, before)
    if (fromBefore === '') return false
    const fromAfter = difference(found, after)
    if (fromAfter === '') return true
    if (step.isTorn && isMixture(found, before, after)) return false
    this.problem(`neither what was (${fromBefore}) nor what was to be (${fromAfter})`)
    return false
  }

  /** The store has failed for good, or its process is gone. */
  #openAgain(): void {
    const { code } = this.fault
    const { failures } = this
    const { storage } = this.volume
    this.reopened++
    if (code !== undefined) {
      const isFinal = failures.some(({ kind }) => SYNC_CALLS.includes(kind) || kind === 'map')
      const isHarmless = failures.every(({ kind, path }) => HARMLESS.includes(kind) && !path.includes('/wal'))
      if ((PASSING.includes(code) && !isFinal) || isHarmless) this.problem('the store does not go on')
    }
    storage.heal()
    const next = storage.successor()
    this.volume.kill(next)
    this.volume.open()
  }

  #end(): void {
    const { volume, expected } = this
    const last = expected.pictures[expected.pictures.length - 1]
    volume.storage.heal()
    if (volume.storage.isDead) this.#openAgain()
    volume.medium.freezeAt = 0
    this.#compare('at the end', volume, last)
    volume.kill()
    this.#compare('after a kill', volume, last)
    for (const [path, { metadata }] of last) {
      if (metadata.startsWith('100')) volume.fixture.fs.fsync(volume.ino(path), false)
    }
    volume.tree.sync()
    const cut = volume.afterPowerCut()
    volume.kill()
    this.volume = cut
    this.#compare('after a power cut', cut, last, this.#hasLostData())
    cut.fixture.mkdir(1, 'works')
    cut.tree.checkpoint()
    cut.close()
  }

  #compare(when: string, volume: Volume, expected: Picture, mayLackBytes = false): void {
    const wrong = difference(volume.picture(), expected, mayLackBytes)
    if (wrong !== '') this.problem(`${when}: ${wrong}`)
    this.#check(when, mayLackBytes, volume)
  }

  #check(when: string, mayLackBytes: boolean, volume = this.volume): void {
    const mayLeak = this.failures.length > 0 || when === 'after a power cut'
    const problems = volume.problems(mayLeak).filter(text => !mayLackBytes || !text.startsWith('DATA_MISSING'))
    if (problems.length > 0) this.problem(`${when}: ${problems.slice(0, 3).join('; ')}`)
  }
}

/** The first difference between two pictures; '' when there is none. */
function difference(found: Picture, expected: Picture, ignoreBytes = false): string {
  for (const [path, { metadata, bytes }] of expected) {
    const other = found.get(path)
    if (other === undefined) return `${path} is missing`
    if (other.metadata !== metadata) return `${path} is ${other.metadata.slice(0, 80)}, not ${metadata.slice(0, 80)}`
    if (!ignoreBytes && !other.bytes.equals(bytes)) return `the bytes of ${path}`
  }
  for (const path of found.keys()) if (!expected.has(path)) return `${path} is there`
  return ''
}

/** Whether each thing is as before or as after, or there as in one of them, and so each of its bytes. */
function isMixture(found: Picture, before: Picture, after: Picture, ignoreBytes = false): boolean {
  for (const path of new Set([...found.keys(), ...before.keys(), ...after.keys()])) {
    const choices = [before.get(path), after.get(path)]
    const is = found.get(path)
    if (is === undefined ? !choices.includes(undefined) : choices.every(choice => choice?.metadata !== is.metadata)) {
      return false
    }
    for (let i = 0; !ignoreBytes && is !== undefined && i < is.bytes.length; i++) {
      if (choices.every(choice => is.bytes[i] !== (choice?.bytes[i] ?? 0))) return false
    }
  }
  return true
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === undefined ? 'nothing' : text.length > 60 ? `${text.slice(0, 60)}… (${text.length})` : text
}
