/** What can be fuzzed: see targets.ts. */
import type { Random } from '../support/random.ts'
import type { Input, Part } from './input.ts'

export interface Target {
  name: string
  /** What to begin with: taken from real stores and requests. */
  corpus(): Input[]
  /** Whether parts may be left out, repeated and exchanged. */
  isList: boolean
  /** Whether a part may be changed. */
  isMutable(part: Part): boolean
  /** Makes a changed part pass the checks on its way to what reads it: checksums, mostly. In place. */
  repair(part: Part, input: Input): void
  /** A change that knows what the bytes mean, in place; false when there is nothing to change. */
  mutate?(part: Part, random: Random): boolean
  /** Source files, below src/, that are measured. */
  covers: readonly string[]
  /** Takes the input to its readers. Returns what is wrong, '' when nothing is; whatever it throws is wrong too. */
  run(input: Input): string
}
