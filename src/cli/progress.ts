/** How far a command has come, on one line of stderr that is written over: at most five times a second, gone at the end. */

const EVERY = 200

export class Progress {
  readonly #isShown: boolean
  #shownAt = 0
  #width = 0

  /** `isWanted`: also where stderr is no terminal, with a line for each report then. */
  constructor(isWanted: boolean) {
    this.#isShown = isWanted || process.stderr.isTTY === true
  }

  /** `total` 0: not known. */
  report(what: string, done: number, total: number): void {
    if (!this.#isShown) return
    const now = performance.now()
    if (now - this.#shownAt < EVERY && done !== total) return
    this.#shownAt = now
    const text = total === 0 ? `${what}: ${done}` : `${what}: ${done} of ${total}`
    if (process.stderr.isTTY !== true) {
      process.stderr.write(`${text}\n`)
      return
    }
    process.stderr.write(`\r${text.padEnd(this.#width)}`)
    this.#width = text.length
  }

  end(): void {
    if (this.#width > 0) process.stderr.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}
