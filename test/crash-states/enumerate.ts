/** From a recording to the states that a power cut could leave, and from a state to the verdict on it. */

import { withRecycledMemory } from '../support/recycled-memory.ts'
import { KILLED, mixed, randomChoice, systematic } from './choices.ts'
import { inFixedWorld } from './fixed-world.ts'
import type { Moment } from './history.ts'
import { type Choice, Medium, type Pending } from './medium.ts'
import { type MediumEvent, MemoryStorage } from './memory-storage.ts'
import { type Life, type Recording, recordRecovery, SMALL_POOL } from './recording.ts'
import type { Image } from './sectors.ts'

/** A state: which cut, and which of the pending changes are there. */
export interface State {
  /** `cut.choice`, as `117.s3`. */
  id: string
  image: Image
  hash: string
  moment: Moment
  pending: readonly Pending[]
}

/** How many states are wanted of a recording: of those in the fixed order, one in so many; and random ones at each cut. */
export interface Sample {
  systematic: number
  random: number
}

/** A pool into which everything fits comes fresh from the kernel, and so is there at once. */
const LARGE_POOL = 36 << 20
/** Of the random states that a sample asks for at a cut, those that bring nothing new cost little: this many are tried. */
const TRIES = 2

/** The first states of the fixed order are those in which all is there up to the cut, or nothing that is not synced: so much likelier taken. */
const PREFIXES = 2
const PREFERRED = 4

interface Cut {
  at: number
  medium: Medium
  done: number
}

/** Moments before each event that changes the medium, and at the end. What is not known to it yet counts as pending. */
function* cuts(recording: Recording, ignores: (event: MediumEvent) => boolean): Generator<Cut> {
  const medium = new Medium(recording.directory, recording.image, recording.sectors)
  let { done } = recording
  for (const [at, event] of recording.events.entries()) {
    if (event.kind !== 'mark' && !ignores(event)) yield { at, medium, done }
    if (event.kind === 'mark') done = event.done
    else if (!ignores(event)) medium.take(event, at)
  }
  yield { at: recording.events.length, medium, done }
}

const NOTHING_IGNORED = () => false

export function countStates(recording: Recording): { cuts: number; systematic: number } {
  const count = { cuts: 0, systematic: 0 }
  for (const { medium } of cuts(recording, NOTHING_IGNORED)) {
    count.cuts++
    count.systematic += systematic(medium.pending()).length
  }
  return count
}

/** Splits `wanted` states between fixed order and chance, most of them in the fixed order while there are such. */
export function sampleOf(recording: Recording, wanted: number): Sample {
  const count = countStates(recording)
  const inOrder = Math.min(count.systematic, 0.6 * wanted)
  const weight = count.systematic + PREFIXES * (PREFERRED - 1) * count.cuts
  return { systematic: inOrder / weight, random: (wanted - inOrder) / count.cuts }
}

/**
 * States of a recording that are not in `seen`, which they are added to: the same bytes count again only when more was
 * promised. With `ignores`, as if these syncs had not been made.
 */
export function* states(
  recording: Recording,
  sample: Sample,
  seed: number,
  seen: Set<number> = new Set(),
  ignores: (event: MediumEvent) => boolean = NOTHING_IGNORED,
): Generator<State> {
  for (const cut of cuts(recording, ignores)) {
    const pending = cut.medium.pending()
    for (const [label, choice] of chosen(cut.at, pending, sample, seed)) {
      const state = stateOf(cut, pending, label, choice)
      const { done, killed } = state.moment
      // 44 bits of the hash: of a million states, hardly two are taken for one.
      const key = Number.parseInt(state.hash.slice(0, 11), 16) * 512 + (done % 256) * 2 + (killed ? 1 : 0)
      if (seen.has(key)) continue
      seen.add(key)
      yield state
    }
  }
}

function* chosen(at: number, pending: readonly Pending[], sample: Sample, seed: number): Generator<[string, Choice]> {
  const share = (i: number) => (mixed(seed, at, i) >>> 0) / 4294967296
  for (const [i, choice] of systematic(pending).entries()) {
    if (share(i) < sample.systematic * (i < PREFIXES ? PREFERRED : 1)) yield [`s${i}`, choice]
  }
  if (pending.length < 2 && pending.every(change => change.kind === 'names')) return
  const count = Math.floor(sample.random * TRIES + share(-1))
  for (let i = 0; i < count; i++) yield [`r${i}`, randomChoice(mixed(seed, at, i))]
}

function stateOf(cut: Cut, pending: readonly Pending[], label: string, choice: Choice): State {
  const { image, hash } = cut.medium.image(choice)
  return { id: `${cut.at}.${label}`, image, hash, pending, moment: { done: cut.done, killed: label === KILLED } }
}

/** The state of that id. Throws when there is none. */
export function stateById(recording: Recording, id: string, seed: number, ignores = NOTHING_IGNORED): State {
  const [at, label] = id.split('.')
  for (const cut of cuts(recording, ignores)) {
    if (cut.at !== Number(at)) continue
    const pending = cut.medium.pending()
    const number = Number(label?.slice(1))
    const choice = label?.[0] === 's' ? systematic(pending)[number] : randomChoice(mixed(seed, cut.at, number))
    if (choice !== undefined) return stateOf(cut, pending, label, choice)
  }
  throw new Error(`there is no state ${id} of ${recording.name}`)
}

/** How far a state is followed: recovered and compared; then changed; then closed and opened again. */
export type Depth = 'compare' | 'change' | 'reopen'

/** Recovers a state, and says what is wrong with it; undefined when nothing is. */
export function examine(recording: Recording, state: State, depth: Depth): string | undefined {
  return withRecycledMemory(() => inFixedWorld(() => judged(recording, state, depth)))
}

function judged(recording: Recording, state: State, depth: Depth): string | undefined {
  const storage = new MemoryStorage(state.image)
  // Now and then in the smallest pool, where recovering means evicting.
  const poolBytes = state.hash[0] === '0' ? SMALL_POOL : LARGE_POOL
  let life: Life | undefined
  try {
    const strange = strangers(storage, recording.directory)
    if (strange.length > 0) return `no store, but there is ${strange}: the next open refuses it`
    life = recording.open(storage, poolBytes)
    const { recovered } = life
    const wrong = recording.history.judge(recovered, state.moment, life.compare.bind(life)) ?? life.problems()
    if (wrong !== undefined || depth === 'compare') return wrong
    const later = life.goOn()
    if (later !== undefined || depth === 'change') return later
    life.end()
    life = undefined
    life = recording.open(storage, poolBytes)
    return life.stillGoes()
  } catch (error) {
    return told(error)
  } finally {
    endAnyhow(storage, life)
  }
}

/** What the first opening of a store must not leave before there is a manifest: on the host such a directory is refused. */
function strangers(storage: MemoryStorage, directory: string): string[] {
  const names = storage.list(directory)
  return names.includes('manifest') ? [] : names.filter(name => name !== 'manifest.new')
}

/** Lets go of the lock on the host; what is left of the state is not looked at any more. */
function endAnyhow(storage: MemoryStorage, life: Life | undefined): void {
  if (life === undefined) return
  try {
    storage.kill(() => life.end())
  } catch {
    // It was found wrong before.
  }
}

/** Records the recovery of a state, to be cut itself; or says how it failed. */
export function recoveryOf(recording: Recording, state: State): Recording | string {
  try {
    return recordRecovery(recording, state.image)
  } catch (error) {
    return told(error)
  }
}

function told(error: unknown): string {
  const { code, message, cause } = error as { code?: string; message: string; cause?: Error }
  return `${code ?? ''} ${message}${cause === undefined ? '' : ` (${cause.message})`}`
}
