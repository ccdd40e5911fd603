/** A measuring child process that answers one question at a time. */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

interface Answer {
  /** null where there is nothing to measure. */
  figure?: number | null
  names?: string[]
  error?: string
}

export class PeerProcess {
  /** What it can be asked, known once it is started. */
  names: string[] = []
  readonly #child: ChildProcess
  readonly #title: string

  constructor(title: string, child: ChildProcess) {
    this.#title = title
    this.#child = child
  }

  /** Starts `script` of this folder, on the first core when it is pinned; resolves when it says what it can be asked. */
  static async start(title: string, script: string, argv: string[], pinned = false): Promise<PeerProcess> {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const child = fork(path, argv, { execArgv: ['--import=tsx', '--expose-gc'] })
    if (pinned) spawnSync('taskset', ['-a', '-c', '-p', '0', String(child.pid)])
    const peer = new PeerProcess(title, child)
    peer.names = (await peer.#answer()).names ?? []
    return peer
  }

  /** undefined when the peer has no such thing. */
  async ask(question: string): Promise<number | undefined> {
    this.#child.send(question)
    const { figure } = await this.#answer()
    if (figure === undefined) throw new Error(`${this.#title} gave no figure for ${question}`)
    return figure ?? undefined
  }

  #answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) =>
        reject(new Error(`${this.#title}: ended with ${code ?? signal}`))
      this.#child.once('exit', ended)
      this.#child.once('message', (answer: Answer) => {
        this.#child.off('exit', ended)
        if (answer.error !== undefined) reject(new Error(`${this.#title}: ${answer.error}`))
        else resolve(answer)
      })
    })
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}
