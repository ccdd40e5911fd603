/**
 * A process that opens and locks files when it is told to: the child of {@link LockClient}. It is blocked while it waits for a
 * lock, as a program is.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { NODE_ARGUMENTS } from '../support/modules.ts'
import { close, fcntlLock, flock, open } from '../support/syscalls.ts'

/** Milliseconds after which a call that has not returned is waiting, and after which it will not return any more. */
const WAITING = 250
const HANGING = 20_000

const calls = { open, close, flock, fcntlLock }
type Call = keyof typeof calls

/** The side that tells: one call at a time. */
export class LockClient {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(): Promise<LockClient> {
    const child = fork(fileURLToPath(import.meta.url), { execArgv: NODE_ARGUMENTS })
    await once(child, 'message')
    return new LockClient(child)
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** What the call answers. */
  async call(name: Call, ...argv: unknown[]): Promise<unknown> {
    this.#child.send({ name, argv })
    return this.answer()
  }

  /** Makes a call that is expected to wait: 'waits', or what it answered at once. */
  async callAndWait(name: Call, ...argv: unknown[]): Promise<unknown> {
    this.#child.send({ name, argv })
    return this.#within(WAITING, 'waits')
  }

  /** What the call that waits answers at last. */
  answer(): Promise<unknown> {
    return this.#within(HANGING, 'hangs')
  }

  async #within(milliseconds: number, otherwise: string): Promise<unknown> {
    const controller = new AbortController()
    const { signal } = controller
    const answered = once(this.#child, 'message', { signal }).then(([answer]) => answer as unknown)
    answered.catch(() => {})
    const answer = await Promise.race([answered, sleep(milliseconds, otherwise, { signal })])
    controller.abort()
    return answer
  }

  /** Returns when the process is gone. */
  async end(signal: NodeJS.Signals): Promise<string | null> {
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    return (await ended)[1]
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.on('message', ({ name, argv }: { name: Call; argv: never[] }) => {
    process.send?.((calls[name] as (...argv: never[]) => unknown)(...argv))
  })
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}
