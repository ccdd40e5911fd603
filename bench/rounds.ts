/** Measuring in turn, round after round: so that a machine that slows down slows all. The first round is not counted. */
import type { Row } from './figures.ts'

/**
 * Measures each operation on each subject, `rounds` times and once before. `measure` gives nanoseconds, undefined where the
 * subject has no such thing; `what` is told on stderr.
 */
export async function inTurn<Subject>(
  what: string,
  rounds: number,
  operations: readonly string[],
  subjects: ReadonlyMap<string, Subject>,
  measure: (operation: string, subject: Subject) => Promise<number | undefined>,
): Promise<Row[]> {
  const none = () => Object.fromEntries(Array.from(subjects.keys(), (name): [string, number[]] => [name, []]))
  const rows = operations.map((operation): Row => ({ operation, unit: 'ns', values: none() }))
  for (let round = 0; round <= rounds; round++) {
    process.stderr.write(`${what}: round ${round} of ${rounds}\n`)
    for (const { operation, values } of rows) {
      for (const [name, subject] of subjects) {
        const figure = await measure(operation, subject)
        if (round > 0 && figure !== undefined) values[name].push(figure)
      }
    }
  }
  return rows
}
