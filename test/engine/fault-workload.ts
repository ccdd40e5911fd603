/**
 * A short workload with everything that touches the medium: changes of every kind, log rotation, dirty evictions,
 * checkpoint rounds, closing. It keeps, beside what it was promised, every state that the store may be in.
 */
import { HoltError, openStore, type Store, type StoreOptions, type Tree } from '../../src/index.ts'
import { contents } from './store-fixture.ts'

type State = Map<string, string>

interface Step {
  run(tree: Tree): unknown
  /** What it does to the records; undefined for steps that change none. */
  change?: (state: State) => void
}

const value = (byte: number, size: number) => String.fromCharCode(97 + (byte % 26)).repeat(size)

function put(key: string, byte: number, size: number): Step {
  const bytes = value(byte, size)
  return { run: tree => tree.put(key, bytes), change: state => state.set(key, bytes) }
}

function remove(key: string): Step {
  return { run: tree => tree.delete(key), change: state => void state.delete(key) }
}

function renamePrefix(from: string, to: string): Step {
  return {
    run: tree => tree.renamePrefix(from, to),
    change: state => {
      for (const [key, bytes] of [...state]) {
        if (!key.startsWith(from)) continue
        state.delete(key)
        state.set(to + key.slice(from.length), bytes)
      }
    },
  }
}

function batch(n: number): Step {
  const keys = [0, 1, 2, 3].map(i => `batch/${n}/${i}`)
  return {
    run: tree =>
      tree.atomic(b => {
        for (const key of keys) b.put(key, value(n, 900))
        b.delete(`batch/${n - 1}/0`)
      }),
    change: state => {
      for (const key of keys) state.set(key, value(n, 900))
      state.delete(`batch/${n - 1}/0`)
    },
  }
}

const ROUND: Step = { run: tree => tree.checkpoint() }
const SYNC: Step = { run: tree => tree.sync() }

/** The steps; `bulk` of them are values of 60 KB, 80 of which are more than a pool of 8 frames holds. */
export function steps(bulk: number): Step[] {
  const list: Step[] = []
  for (let i = 0; i < 8; i++) list.push(put(`a/${i}`, i, 300), put(`b/${i}`, i, 20))
  list.push(batch(1), ROUND, renamePrefix('a', 'c'), put('a/3', 9, 400), batch(2), remove('b/2'))
  for (let i = 0; i < bulk; i++) list.push(put(`bulk/${i}`, i, 60_000))
  list.push(ROUND, renamePrefix('c', 'moved/far/away'), put('c/1', 4, 10), SYNC, remove('a/3'))
  for (let i = 0; i < bulk; i += 3) list.push(put(`bulk/${i}`, i + 1, 50_000), remove(`bulk/${i + 1}`))
  list.push(batch(3), ROUND, put('last', 1, 1), ROUND, renamePrefix('moved', 'a'), batch(4))
  return list
}

export class Workload {
  /** States that the store may be in: one for each choice of what became of the changes in doubt. */
  states: State[] = [new Map()]
  /** States that are certain to survive a power cut, or a later one. */
  durableFrom = 0
  /** Every state there has been, in order: a power cut may go back to any that no sync covers. */
  readonly history: State[][] = [[new Map()]]
  readonly errors: HoltError[] = []
  store: Store | undefined

  /** Runs all steps; a failing one is noted, and after HOLT_FAILED the rest is left out. */
  run(directory: string, options: StoreOptions, bulk: number, goesOn = true): void {
    this.#attempt({
      run: () => {
        this.store = openStore(directory, options)
      },
    })
    if (this.store === undefined) return
    for (const step of steps(bulk)) {
      if (this.hasFailed() || (!goesOn && this.errors.length > 0)) break
      const done = this.#attempt({ ...step, run: () => step.run(this.store!.tree) })
      if (done && (step === ROUND || step === SYNC || options.durability === 'sync')) {
        this.durableFrom = this.history.length - 1
      }
    }
  }

  hasFailed(): boolean {
    return this.errors.some(error => error.code === 'HOLT_FAILED')
  }

  #attempt(step: Step): boolean {
    const { change } = step
    const after = () =>
      this.states.map(state => {
        const next = new Map(state)
        change?.(next)
        return next
      })
    try {
      step.run((this.store as Store)?.tree)
      if (change !== undefined) this.states = after()
      return true
    } catch (error) {
      if (!(error instanceof HoltError)) throw error
      this.errors.push(error)
      if (change !== undefined && error.applied === 'unknown') this.states = [...this.states, ...after()]
      return false
    } finally {
      if (change !== undefined) this.history.push(this.states)
    }
  }

  /** Says what is wrong with a tree as the workload knows it now; '' when nothing is. */
  judge(tree: Tree): string {
    return this.#compare(tree, this.states)
  }

  /** As {@link judge}, after a power cut: any state from the last durable one on. */
  judgeAfterCut(tree: Tree): string {
    return this.#compare(tree, this.history.slice(this.durableFrom).flat())
  }

  #compare(tree: Tree, states: State[]): string {
    const found = contents(tree)
    const { problems } = tree.check()
    if (problems.length > 0) return JSON.stringify(problems.slice(0, 3))
    if (states.some(state => isSame(found, state))) return ''
    const last = states[states.length - 1]
    const wrong = [...last.keys()].filter(key => found.get(key)?.toString() !== last.get(key))
    const strange = [...found.keys()].filter(key => !last.has(key))
    return `none of ${states.length} states; against the last one differ ${wrong.slice(0, 5)}, too much ${strange.slice(0, 5)}`
  }
}

function isSame(found: Map<string, Buffer>, state: State): boolean {
  if (found.size !== state.size) return false
  for (const [key, bytes] of state) if (found.get(key)?.toString() !== bytes) return false
  return true
}
