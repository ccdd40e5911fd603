/** An open store as a program sees it that keeps records in it: opens, shows what is there, checks, goes on. */
import { openStore, type Store, type StoreOptions } from '../../src/engine/store.ts'
import type { Tree } from '../../src/engine/tree.ts'
import type { Moment, Step } from './history.ts'
import type { MemoryStorage } from './memory-storage.ts'

/** Records by key, all latin1: version and value. */
export type Records = Map<string, string>

/** A key and value that no workload uses. */
const MARK = '\xffgoes on'

export function recordText(version: number, value: string): string {
  return `${version}:${value}`
}

export class TreeLife {
  readonly recovered: number
  readonly store: Store
  readonly tree: Tree

  constructor(directory: string, storage: MemoryStorage, options: StoreOptions) {
    this.store = openStore(directory, { ...options, storage, background: false })
    this.tree = this.store.tree
    this.recovered = this.tree.lastSeq()
  }

  see(): Records {
    const records: Records = new Map()
    for (const entry of this.tree.range()) {
      if (entry.commonPrefix !== undefined) continue
      const key = entry.key.toString('latin1')
      if (key !== MARK) records.set(key, recordText(entry.version, entry.value.toString('latin1')))
    }
    return records
  }

  compare(steps: readonly Step<Records>[], index: number, _moment: Moment): string | undefined {
    const found = this.see()
    const expected = index < 0 ? new Map<string, string>() : steps[index].seen
    for (const [key, value] of expected) {
      if (found.get(key) !== value) return `record ${short(key)} is ${short(found.get(key))}, not ${short(value)}`
      if (
        recordText(this.tree.getRecord(Buffer.from(key, 'latin1'))!.version, '') !==
        value.slice(0, value.indexOf(':') + 1)
      )
        return `record ${short(key)} is not found by its key`
    }
    for (const key of found.keys()) if (!expected.has(key)) return `record ${short(key)} should not be there`
    return undefined
  }

  problems(): string | undefined {
    const [problem] = this.tree.check().problems
    return problem && `${problem.code} blob ${problem.blob}: ${problem.message}`
  }

  /** Makes a few changes, and says what is wrong with them. */
  goOn(): string | undefined {
    const { tree } = this
    const value = String(tree.lastSeq())
    tree.put(MARK, value)
    tree.put(`${MARK}/1`, Buffer.alloc(3000, 1))
    if (!tree.renamePrefix(`${MARK}/`, `${MARK}-`)) return 'a subtree cannot be renamed'
    tree.delete(`${MARK}-1`)
    tree.checkpoint()
    return this.stillGoes(value)
  }

  /** What {@link goOn} left is there. */
  stillGoes(value = this.tree.get(MARK)?.toString('latin1')): string | undefined {
    const found = this.tree.get(MARK)?.toString('latin1')
    return found === undefined || found !== value ? `what was written after the recovery is ${found}` : this.problems()
  }

  *further(): Generator<{ what: string; synced?: number }> {
    this.tree.put('further', 'x'.repeat(700))
    yield { what: 'put' }
    this.tree.sync()
    yield { what: 'sync', synced: 0 }
    this.tree.delete('further')
    yield { what: 'delete' }
  }

  end(): void {
    this.store.close()
  }
}

function short(text: string | undefined): string {
  if (text === undefined) return 'absent'
  return text.length > 50 ? `${JSON.stringify(text.slice(0, 40))}… (${text.length})` : JSON.stringify(text)
}
