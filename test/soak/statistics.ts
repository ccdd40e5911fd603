/** The counters that `holtfs stats` prints, summed over all servers that a mount has had. */
import { holtfs, type RealMount } from '../mount/real-mount.ts'

/** Of the tree's counters, those that say whether a soak has met what it is about, and requests. */
const KEPT = /^(rounds|evictions|loads|spillovers|compactions|merges|.*Round.*|.*[Ee]vict.*|.*[Ll]oad.*)$/

interface Document {
  tree: { counters: Record<string, number> }
  requests?: Record<string, number>
}

export class Statistics {
  readonly #mount: RealMount
  readonly #past: Record<string, number> = {}
  #current: Record<string, number> = {}
  #pid = 0

  constructor(mount: RealMount) {
    this.#mount = mount
  }

  /** Asks the server that there is; when there is none, or another one by the time it answers, it is asked next time. */
  async take(): Promise<void> {
    const before = this.#server()
    const { code, out } = await holtfs('stats', this.#mount.path, '--json')
    if (code !== 0 || before === 0 || this.#server() !== before) return
    const { tree, requests } = JSON.parse(out) as Document
    if (this.#pid !== before) this.#bury()
    this.#pid = before
    this.#current = { requests: requests?.all ?? 0 }
    for (const [name, value] of Object.entries(tree.counters)) if (KEPT.test(name)) this.#current[name] = value
  }

  sums(): Record<string, number> {
    this.#bury()
    return { ...this.#past }
  }

  #bury(): void {
    for (const [name, value] of Object.entries(this.#current)) this.#past[name] = (this.#past[name] ?? 0) + value
    this.#current = {}
  }

  #server(): number {
    try {
      return this.#mount.serverPid()
    } catch {
      return 0
    }
  }
}
