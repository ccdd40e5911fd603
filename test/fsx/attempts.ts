/**
 * Where a failing list of operations is played again and again while it is made small: a mount of its own, since the first one may
 * have suffered, without kills. All attempts use one mount, which is quick. What fails there only because of what an earlier
 * attempt left in the server's memory is shrunk again, with a mount for each attempt.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { RealMount, run } from '../mount/real-mount.ts'
import { Client } from './clients.ts'
import { format, type Operation } from './operation.ts'
import { shrink } from './shrink.ts'

export interface Place {
  /** Instead of mounts. */
  directory?: string | undefined
  workers: number
  /** The client's number. */
  client: number
  onAttempt?: ((attempt: number, operations: number) => void) | undefined
}

export interface Shrunk {
  operations: Operation[]
  /** What they fail with. */
  failure: string
}

/**
 * The smallest failing list that was found, or undefined when the list does not fail again.
 * @param milliseconds that each of the two ways may take
 */
export async function shrinkAt(
  place: Place,
  operations: readonly Operation[],
  milliseconds: number,
): Promise<Shrunk | undefined> {
  const quick = await shrinkWith(new Attempts(place, false), operations, milliseconds)
  if (quick === undefined || place.directory !== undefined) return quick
  const alone = new Attempts(place, true)
  if ((await alone.play(quick.operations)) === undefined)
    return (await shrinkWith(alone, operations, milliseconds)) ?? quick
  await alone.end()
  return quick
}

async function shrinkWith(
  attempts: Attempts,
  operations: readonly Operation[],
  milliseconds: number,
): Promise<Shrunk | undefined> {
  const until = performance.now() + milliseconds
  const shrunk = await shrink(operations, some => attempts.play(some), until)
  await attempts.end()
  return shrunk && { operations: shrunk, failure: attempts.failure }
}

/** Plays lists of operations from empty files in one client process, and in another one when it has died of one. */
class Attempts {
  readonly #place: Place
  readonly #isFresh: boolean
  #client: Client | undefined
  #mount: RealMount | undefined
  #path: string | undefined
  #count = 0
  /** What the last failing list failed with. */
  failure = ''

  constructor(place: Place, isFresh: boolean) {
    this.#place = place
    this.#isFresh = isFresh
  }

  /** As {@link Attempt} says. */
  async play(operations: readonly Operation[]): Promise<number | undefined> {
    const { client, onAttempt } = this.#place
    onAttempt?.(++this.#count, operations.length)
    if (this.#isFresh) await this.#leave()
    this.#path ??= await this.#prepare()
    if (this.#client?.isAlive !== true) this.#client = new Client()
    const directory = join(this.#path, `attempt-${this.#count}`)
    const shared = `${directory}-shared`
    const { failure, done } = await this.#client.run({
      directory,
      shared,
      client,
      operations: operations.map(format),
      keepsGoing: false,
      reportEvery: 100,
      isAttempt: true,
    })
    if (failure === undefined) return undefined
    this.failure = failure
    if (this.#client.isAlive) return done
    // It has died over its files, which would take the space of the attempts that follow.
    await run('rm', ['-rf', directory, shared])
    return operations.length
  }

  async #prepare(): Promise<string> {
    const { directory, workers } = this.#place
    if (directory !== undefined) return mkdtempSync(join(directory, 'fsx-'))
    this.#mount = new RealMount('fsx attempts')
    await this.#mount.mount('--workers', String(workers))
    return this.#mount.path
  }

  async end(): Promise<void> {
    this.#client?.stop()
    await this.#leave()
  }

  async #leave(): Promise<void> {
    if (this.#mount !== undefined) await this.#mount.remove()
    else if (this.#path !== undefined) await run('rm', ['-r', this.#path])
    this.#mount = undefined
    this.#path = undefined
  }
}
