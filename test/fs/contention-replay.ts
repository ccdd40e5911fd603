/**
 * Goes through the states that the sections of all threads led to, one after the other, and compares each answer with
 * the state, or the range of states, that it must have come from.
 */
import { attributesOf, type Model, describe as text } from './contention-model.ts'
import type { Step } from './contention-step.ts'

const CHANGED = -1

/** A step that changed nothing, and what of its answer no state has explained yet. */
interface Open {
  step: Step
  until: number
  /** Of a refusal or an attribute: whether a state explains it. */
  explained: boolean
  /** Of a lookup: whether the name led to that inode. */
  named: boolean
  /** Of a listing: names that were there all the time, with their inode when it was the same; and what was there at some time. */
  always: Map<string, number> | undefined
  ever: Set<string>
}

/** Returns what cannot be explained, at most a few of each run. */
export function replay(model: Model, steps: Step[], sections: number): string[] {
  const problems: string[] = []
  const changes = new Map<number, Step>()
  const reads: Step[][] = Array.from({ length: sections + 2 }, () => [])
  for (const step of steps) {
    if (step.result >= 0 && step.effect > 0) {
      changes.set(step.effect, step)
      // It may have looked at the inode once more, to tell its blocks.
      if (step.kind === 'truncate') reads[step.effect].push(step)
    } else reads[Math.max(0, step.before - 1)].push(step)
  }
  const reach = reachOfWrites(steps, sections)
  let open: Open[] = []
  for (let state = 0; state <= sections && problems.length < 10; state++) {
    const change = changes.get(state)
    if (change !== undefined) {
      const why = model.apply(change)
      if (why !== '') problems.push(`${describe(change)}: ${why}`)
    }
    for (const step of reads[state]) open.push(opened(step, reach))
    open = open.filter(each => {
      look(model, each)
      if (state < each.until) return true
      if (!isExplained(each)) problems.push(`${describe(each.step)}: nothing explains it by section ${state}`)
      return false
    })
  }
  return problems
}

/**
 * Bytes go to the host before the section that makes them count: a reader may see what a write has begun. For each
 * number of sections, the section by which all writes end that had begun by then.
 */
function reachOfWrites(steps: Step[], sections: number): Int32Array {
  const reach = new Int32Array(sections + 2)
  for (const { kind, before, effect } of steps) {
    if (kind === 'write' || kind === 'truncate') reach[before] = Math.max(reach[before], effect)
  }
  for (let i = 1; i < reach.length; i++) reach[i] = Math.max(reach[i], reach[i - 1])
  return reach
}

function opened(step: Step, reach: Int32Array): Open {
  const until = step.kind === 'read' ? Math.max(step.after, reach[step.after]) : step.after
  return { step, until, explained: false, named: false, always: undefined, ever: new Set() }
}

function look(model: Model, open: Open): void {
  const { step } = open
  if (step.result < 0) {
    if (model.refusals(step).includes(-step.result)) open.explained = true
  } else if (step.kind === 'lookup') {
    const ino = step.seen?.ino as number
    if (model.nodes.get(step.ino)?.children.get(step.name)?.ino === ino) open.named = true
    if (hasAttributes(model, step)) open.explained = true
  } else if (step.kind === 'getattr' || step.kind === 'truncate') {
    if (hasAttributes(model, step)) open.explained = true
  } else if (step.kind === 'readdir') {
    lookAtListing(model, open)
  } else if (step.kind === 'read') {
    const byte = model.nodes.get(step.ino2)?.bytes[step.number]
    if (step.result === 0 ? byte === undefined : byte === step.fill) open.explained = true
  } else if (step.kind === 'rename') {
    if (model.isVoid(step)) open.explained = true
  } else if (step.kind === 'forget') open.explained = true
}

function hasAttributes(model: Model, step: Step): boolean {
  const seen = step.seen as NonNullable<Step['seen']>
  const node = model.nodes.get(seen.ino)
  return node !== undefined && text(attributesOf(node)) === text(seen)
}

function lookAtListing(model: Model, open: Open): void {
  const children = model.nodes.get(open.step.ino)?.children
  const now = new Map<string, number>()
  for (const [name, node] of children ?? []) {
    now.set(name, node.ino)
    open.ever.add(`${name} ${node.ino}`)
  }
  if (open.always === undefined) open.always = now
  else {
    for (const [name, ino] of open.always) {
      if (!now.has(name)) open.always.delete(name)
      else if (now.get(name) !== ino) open.always.set(name, CHANGED)
    }
  }
}

function isExplained({ step, explained, named, always, ever }: Open): boolean {
  if (step.result < 0) return explained
  if (step.kind === 'lookup') return explained && named
  if (step.kind !== 'readdir') return explained
  if (step.entries.some(({ name, ino }) => !ever.has(`${name} ${ino}`))) return false
  return [...(always as Map<string, number>)].every(([name, ino]) => {
    const times = step.entries.filter(entry => entry.name === name).length
    return ino === CHANGED ? times >= 1 : times === 1
  })
}

function describe(step: Step): string {
  return JSON.stringify(step)
}
