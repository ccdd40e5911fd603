/**
 * One of several clients that change the same directories at once: `shared-client.ts MOUNT NUMBER SEED OPERATIONS`. Prints as JSON
 * what it did and what came of it ({@link Outcome}). An answer that no other client can explain ends it with an error.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type Random, seededRandom } from '../support/random.ts'

/** Directories that all clients use and nobody removes. */
export const SHARED = ['shared-0', 'shared-1', 'shared-2']
/** Names that all clients create and remove, exclusively. */
export const CONTENDED = 6
/** Directories that all clients make, remove, rename and put files into. */
export const FLEETING = ['fleeting-0', 'fleeting-1', 'fleeting-2', 'fleeting-3']
/** The one file that all clients rename, and the names it can have. */
export const TOKENS = ['token-0', 'token-1', 'token-2', 'token-3']
/** Names that files of all clients are renamed to, over what is there. */
export const TARGETS = ['target-0', 'target-1', 'target-2']
export const APPENDED = 'appended'
export const RECORD = 64

export interface Outcome {
  /** Path of each private file that should be there → its bytes are {@link contentOf} of this. */
  kept: Record<string, string>
  /** Contended path → successful creations minus successful removals. */
  balance: Record<string, number>
  /** Unique names that are somewhere in the fleeting directories. */
  fleeting: string[]
  /** Contents that this client gave to targets. */
  given: string[]
  /** Records appended. */
  records: number
}

/** A file's bytes: they say whose they are, are of many lengths, and no two files have the same. */
export function contentOf(id: string): string {
  const length = [0, 40, 3000, 20_000][id.length % 4] + id.charCodeAt(id.length - 1)
  return `${id}:`.repeat(Math.ceil(length / (id.length + 1)) + 1)
}

export function recordOf(client: number, n: number): string {
  return `client ${client} record ${n}`.padEnd(RECORD - 1, '.').concat('\n')
}

/** Calls and says whether it was done; `expected` are the codes with which another client can have prevented it. */
function attempt(call: () => void, ...expected: string[]): boolean {
  try {
    call()
    return true
  } catch (error) {
    if (expected.includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

class Client {
  readonly #number: number
  readonly #random: Random
  readonly #private: string[] = []
  readonly #outcome: Outcome = { kept: {}, balance: {}, fleeting: [], given: [], records: 0 }
  #next = 0

  constructor(number: number, random: Random) {
    this.#number = number
    this.#random = random
  }

  run(operations: number): Outcome {
    const kinds = [
      () => this.#create(),
      () => this.#create(),
      () => this.#move(),
      () => this.#remove(),
      () => this.#rewrite(),
      () => this.#contend(),
      () => this.#contendDirectory(),
      () => this.#useFleeting(),
      () => this.#useFleeting(),
      () => this.#passToken(),
      () => this.#replace(),
      () => this.#append(),
    ]
    for (let i = 0; i < operations; i++) this.#pick(kinds)()
    for (const [path, id] of Object.entries(this.#outcome.kept)) {
      if (readFileSync(path, 'latin1') !== contentOf(id)) throw new Error(`${path} does not hold ${id}`)
    }
    return this.#outcome
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]
  }

  #id(): string {
    return `c${this.#number}-${this.#next++}`
  }

  #create(): void {
    const id = this.#id()
    const path = `${this.#pick(SHARED)}/${id}`
    writeFileSync(path, contentOf(id), { flag: 'wx' })
    this.#private.push(path)
    this.#outcome.kept[path] = id
  }

  #move(): void {
    if (this.#private.length === 0) return
    const at = Math.floor(this.#random() * this.#private.length)
    const from = this.#private[at]
    const to = `${this.#pick(SHARED)}/${this.#id()}-moved`
    renameSync(from, to)
    this.#private[at] = to
    this.#outcome.kept[to] = this.#outcome.kept[from]
    delete this.#outcome.kept[from]
  }

  #remove(): void {
    const path = this.#pick(this.#private)
    if (path === undefined) return
    unlinkSync(path)
    this.#private.splice(this.#private.indexOf(path), 1)
    delete this.#outcome.kept[path]
  }

  #rewrite(): void {
    const path = this.#pick(this.#private)
    if (path === undefined) return
    const id = this.#id()
    writeFileSync(path, contentOf(id))
    this.#outcome.kept[path] = id
  }

  #count(path: string, by: number): void {
    this.#outcome.balance[path] = (this.#outcome.balance[path] ?? 0) + by
  }

  #contend(): void {
    const path = `${this.#pick(SHARED)}/contended-${Math.floor(this.#random() * CONTENDED)}`
    const create = () => closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY))
    if (this.#random() < 0.5) {
      if (attempt(create, 'EEXIST')) this.#count(path, 1)
    } else if (attempt(() => unlinkSync(path), 'ENOENT')) {
      this.#count(path, -1)
    }
  }

  #contendDirectory(): void {
    const path = `${this.#pick(SHARED)}/directory-${Math.floor(this.#random() * CONTENDED)}`
    if (this.#random() < 0.5) {
      if (attempt(() => mkdirSync(path), 'EEXIST')) this.#count(path, 1)
    } else if (attempt(() => rmdirSync(path), 'ENOENT')) {
      this.#count(path, -1)
    }
  }

  #useFleeting(): void {
    const directory = this.#pick(FLEETING)
    const dice = this.#random()
    if (dice < 0.2) attempt(() => mkdirSync(directory), 'EEXIST')
    else if (dice < 0.4) attempt(() => rmdirSync(directory), 'ENOENT', 'ENOTEMPTY')
    else if (dice < 0.6) attempt(() => renameSync(directory, this.#pick(FLEETING)), 'ENOENT', 'ENOTEMPTY')
    else if (dice < 0.75) this.#addFleeting(directory)
    else this.#removeFleeting(directory)
  }

  #addFleeting(directory: string): void {
    const name = this.#id()
    if (attempt(() => closeSync(openSync(`${directory}/${name}`, 'wx')), 'ENOENT')) this.#outcome.fleeting.push(name)
  }

  /** A name whose directory has been renamed is not found, and is kept. */
  #removeFleeting(directory: string): void {
    const name = this.#pick(this.#outcome.fleeting)
    if (name === undefined || !attempt(() => unlinkSync(`${directory}/${name}`), 'ENOENT')) return
    this.#outcome.fleeting = this.#outcome.fleeting.filter(other => other !== name)
  }

  #passToken(): void {
    attempt(() => renameSync(this.#pick(TOKENS), this.#pick(TOKENS)), 'ENOENT')
  }

  #replace(): void {
    const id = this.#id()
    const path = `${this.#pick(SHARED)}/${id}-new`
    writeFileSync(path, contentOf(id), { flag: 'wx' })
    this.#outcome.given.push(id)
    renameSync(path, this.#pick(TARGETS))
  }

  #append(): void {
    const fd = openSync(APPENDED, constants.O_WRONLY | constants.O_APPEND)
    const text = recordOf(this.#number, this.#outcome.records)
    if (writeSync(fd, text) !== text.length) throw new Error('a record was written in part')
    this.#outcome.records++
    closeSync(fd)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , mount, number, seed, operations] = process.argv
  process.chdir(mount)
  const outcome = new Client(Number(number), seededRandom(Number(seed))).run(Number(operations))
  process.stdout.write(JSON.stringify(outcome))
}
