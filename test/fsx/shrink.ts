/**
 * Makes a failing list of operations small: fewer operations, then smaller numbers in them, as long as it fails. After Zeller and
 * Hildebrandt, Simplifying and Isolating Failure-Inducing Input (IEEE TSE 28/2, 2002). It need not fail in the same way all
 * along: any failure counts.
 */
import { FIELDS, isValid, type Operation, PAGE } from './operation.ts'

/** Plays a list from empty files: the index of the operation that failed (the length: the end did), undefined: none. */
export type Attempt = (operations: readonly Operation[]) => Promise<number | undefined>

/** Operations at the end that are tried first, and how much longer the next try is. */
const TAIL = 16
const LONGER = 4

/**
 * The smallest failing list that was found, or undefined when the list does not fail.
 * @param until performance.now() after which what has been found is good enough
 */
export async function shrink(
  operations: readonly Operation[],
  attempt: Attempt,
  until = Number.POSITIVE_INFINITY,
): Promise<Operation[] | undefined> {
  const shrinker = new Shrinker(attempt, until)
  return (await shrinker.begin(operations)) ? shrinker.run() : undefined
}

class Shrinker {
  readonly #attempt: Attempt
  readonly #until: number
  #operations: readonly Operation[] = []

  constructor(attempt: Attempt, until: number) {
    this.#attempt = attempt
    this.#until = until
  }

  /** Finds an end of the list that fails by itself. */
  async begin(operations: readonly Operation[]): Promise<boolean> {
    for (let length = TAIL; length < operations.length; length *= LONGER) {
      if (await this.#take(operations.slice(-length))) return true
    }
    return this.#take(operations)
  }

  async run(): Promise<Operation[]> {
    let before: readonly Operation[]
    do {
      before = this.#operations
      await this.#removeSome()
      await this.#simplify()
    } while (this.#operations !== before && !this.#isLate())
    return [...this.#operations]
  }

  #isLate(): boolean {
    return performance.now() > this.#until
  }

  /** Goes on with this list if it fails; what comes after the failure goes at once. */
  async #take(operations: readonly Operation[]): Promise<boolean> {
    const at = await this.#attempt(operations)
    if (at === undefined) return false
    this.#operations = at + 1 < operations.length ? operations.slice(0, at + 1) : operations
    return true
  }

  async #removeSome(): Promise<void> {
    for (let size = Math.max(1, this.#operations.length >> 1); !this.#isLate(); ) {
      let isShorter = false
      // From the end, so that what is removed does not move what is still to be tried.
      for (
        let end = this.#operations.length;
        end > 0 && !this.#isLate();
        end = Math.min(end - size, this.#operations.length)
      ) {
        const rest = this.#operations.toSpliced(Math.max(0, end - size), size)
        if (rest.length > 0 && (await this.#take(rest))) isShorter = true
      }
      if (size === 1 && !isShorter) return
      size = Math.max(1, size >> 1)
    }
  }

  async #simplify(): Promise<void> {
    for (let i = 0; i < this.#operations.length && !this.#isLate(); i++) {
      for (let isSmaller = true; isSmaller && i < this.#operations.length; ) {
        isSmaller = false
        for (const simpler of simplerThan(this.#operations[i])) {
          const changed = [...this.#operations]
          changed[i] = simpler
          isSmaller = await this.#take(changed)
          if (isSmaller || this.#isLate()) break
        }
      }
    }
  }
}

/** Each is smaller in one respect, the boldest first; a chain of them ends. */
function* simplerThan(op: Operation): Generator<Operation> {
  const unit = op.kind.endsWith('-direct') ? PAGE : 1
  const all = function* () {
    if (op.check) yield { ...op, check: false }
    if (op.file !== 'a') yield { ...op, file: 'a' as const }
    if (op.kind === 'copy' && op.source !== 'a') yield { ...op, source: 'a' as const }
    for (const field of FIELDS[op.kind]) {
      if (field !== 'salt') for (const value of smallerThan(op[field], unit)) yield { ...op, [field]: value }
      else if (op.salt > 1) yield { ...op, salt: 1 }
    }
  }
  for (const simpler of all()) if (isValid(simpler)) yield simpler
}

/** From 0 up to the next smaller one, each half as far from `value` as the one before: few steps lead to any number. */
function* smallerThan(value: number, unit: number): Generator<number> {
  for (let less = value; less >= unit; less = Math.floor(less / 2 / unit) * unit) yield value - less
  if (value % PAGE !== 0 && value > PAGE) yield value - (value % PAGE)
}
