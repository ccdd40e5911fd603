/**
 * Which source text was reached: V8's block coverage of this thread, as one byte a character of each script. Costs some
 * milliseconds a look, so a batch of inputs is looked at together.
 */
import { type Profiler, Session } from 'node:inspector'

interface Script {
  reached: Uint8Array
  /** Functions known, by their ranges: the text of an inner one is no part of the outer one. */
  functions: Map<string, { start: number; end: number }>
}

/** What a compiled module was compiled from. */
function sourceOf(url: string): string {
  return url.replace(/\.js$/, '.ts')
}

export class Coverage {
  readonly #session = new Session()
  readonly #scripts = new Map<string, Script>()
  readonly #covers: readonly string[]

  constructor(covers: readonly string[]) {
    this.#covers = covers
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Takes note of what was reached since the last call; returns how many characters of it were not before. */
  look(): number {
    let fresh = 0
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error
      for (const { url, functions } of taken.result) {
        if (this.#isCovered(url)) fresh += this.#note(sourceOf(url), functions)
      }
    })
    return fresh
  }

  #isCovered(url: string): boolean {
    const source = sourceOf(url)
    return this.#covers.some(file => source.endsWith(`/src/${file}`))
  }

  #note(url: string, functions: readonly Profiler.FunctionCoverage[]): number {
    const ends = functions.map(({ ranges }) => ranges[0].endOffset)
    let script = this.#scripts.get(url)
    if (script === undefined) {
      script = { reached: new Uint8Array(Math.max(...ends)), functions: new Map() }
      this.#scripts.set(url, script)
    }
    for (const { ranges } of functions) {
      const { startOffset: start, endOffset: end } = ranges[0]
      script.functions.set(`${start}-${end}`, { start, end })
    }
    let fresh = 0
    for (const { ranges } of functions) {
      if (ranges[0].count === 0) continue
      const { startOffset: from, endOffset: to } = ranges[0]
      const text = new Uint8Array(to - from)
      for (const { startOffset, endOffset, count } of ranges)
        text.fill(count > 0 ? 1 : 0, startOffset - from, endOffset - from)
      for (const { start, end } of script.functions.values()) {
        if (start >= from && end <= to && end - start < to - from) text.fill(0, start - from, end - from)
      }
      for (let i = 0; i < text.length; i++) {
        if (text[i] === 0 || script.reached[from + i] === 1) continue
        script.reached[from + i] = 1
        fresh++
      }
    }
    return fresh
  }

  /** A number that tells what was reached since the last look, exactly that. */
  signature(): number {
    let hash = 0
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error
      for (const { url, functions } of taken.result) {
        if (!this.#isCovered(url)) continue
        for (const { ranges } of functions) {
          if (ranges[0].count === 0) continue
          for (const { startOffset, count } of ranges)
            hash = Math.imul(hash ^ (2 * startOffset + (count > 0 ? 1 : 0)), 0x01000193)
        }
      }
    })
    return hash
  }

  /** Of the text inside functions, by file: the part that was reached. */
  parts(): Record<string, number> {
    const parts: Record<string, number> = {}
    for (const [url, { reached, functions }] of this.#scripts) {
      const inside = new Uint8Array(reached.length)
      for (const { start, end } of functions.values()) if (start > 0 || end < reached.length) inside.fill(1, start, end)
      let all = 0
      let done = 0
      for (let i = 0; i < reached.length; i++) {
        all += inside[i]
        done += inside[i] & reached[i]
      }
      if (all > 0) parts[url.slice(url.lastIndexOf('/src/') + 5)] = done / all
    }
    return parts
  }

  stop(): void {
    this.#session.disconnect()
  }
}
