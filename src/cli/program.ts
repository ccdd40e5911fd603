/**
 * What all commands share: the program around them, how errors look (one line on stderr, `holtfs: ...`) and the exit codes:
 * 0 done, 1 failed, 2 wrong usage (`check` has more). Stack traces show with DEBUG=holtfs:*.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import createDebug from 'debug'
import { oneLine } from '../errors.ts'
import { printable } from './printable.ts'

const debug = createDebug('holtfs:cli')

/** Adds one command to the program; every command file exports one of these. */
export type Register = (program: Command) => void

/** Runs the command that `argv` (as process.argv) names and sets the exit code. Never throws. */
export async function runProgram(commands: readonly Register[], argv: readonly string[] = process.argv): Promise<void> {
  const program = new Command('holtfs')
    .description('a crash-safe filesystem on a persistent adaptive radix tree')
    .version(version())
    .exitOverride()
    .showHelpAfterError('(holtfs --help and holtfs COMMAND --help show what can be given)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'holtfs: ')) })
  for (const register of commands) register(program)
  try {
    await program.parseAsync(argv)
  } catch (error) {
    process.exitCode = exitCode(error)
  }
}

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  printError(error)
  return 1
}

/** The line on stderr by which a command fails. */
export function printError(error: unknown): void {
  debug('%O', error)
  process.stderr.write(`holtfs: ${printable(oneLine(error))}\n`)
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
