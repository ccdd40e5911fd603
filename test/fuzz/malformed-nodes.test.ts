/** Nodes that no tree has, in frames whose checksums are right: whoever reads them comes back, with an error or without. */
import test from 'ava'
import {
  BLOB,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  H_BLOB,
  INNER_TERMINAL,
  NODE4,
  NODE4_CHILDREN,
  NODE16,
  NODE16_CHILDREN,
  NODE256,
  NODE256_CHILDREN,
  PREFIX,
  PREFIX_CHILD,
} from '../../src/engine/layout.ts'
import { frameNodes } from './frame-nodes.ts'
import { TARGETS } from './targets.ts'

const target = TARGETS.find(({ name }) => name === 'frames')!

/** Changes all nodes of one kind in all frames of a store; returns how many there were, and what using it led to. */
function changed(kind: number, change: (frame: Buffer, node: number) => void): { nodes: number; found: string } {
  const input = target.corpus()[1]
  let nodes = 0
  for (const part of input) {
    if (!target.isMutable(part)) continue
    for (const { at } of frameNodes(part.bytes)) {
      if (part.bytes[at] !== kind) continue
      change(part.bytes, at)
      nodes++
    }
    target.repair(part, input)
  }
  return { nodes, found: target.run(input) }
}

test('a Prefix that leads nowhere', t => {
  const { nodes, found } = changed(PREFIX, (frame, node) => frame.writeUInt16LE(0, node + PREFIX_CHILD))
  t.true(nodes > 0)
  t.is(found, '')
})

test('crossings that lead to the blob they are in', t => {
  const { nodes, found } = changed(BLOB, (frame, node) => {
    frame[node + BLOB_LENGTH] = 0
    frame[node + BLOB_RUN] = 0
    frame.writeUInt32LE(frame.readUInt32LE(H_BLOB), node + BLOB_CHILD)
  })
  t.true(nodes > 0)
  t.is(found, '')
})

for (let kind = NODE4; kind <= NODE256; kind++) {
  test(`inner nodes of kind ${kind} that are their own terminal`, t => {
    const { nodes, found } = changed(kind, (frame, node) => frame.writeUInt16LE(node >> 3, node + INNER_TERMINAL))
    t.true(nodes > 0)
    t.is(found, '')
  })
}

/** Where the references of an inner node begin, and how many there may be. */
const CHILDREN: [kind: number, at: number, most: number][] = [
  [NODE4, NODE4_CHILDREN, 4],
  [NODE16, NODE16_CHILDREN, 16],
  [NODE256, NODE256_CHILDREN, 256],
]

for (const [kind, first, most] of CHILDREN) {
  test(`inner nodes of kind ${kind} whose children are all the same one`, t => {
    const { nodes, found } = changed(kind, (frame, node) => {
      let same = 0
      for (let at = node + first; at < node + first + 2 * most; at += 2) {
        const ref = frame.readUInt16LE(at)
        if (ref !== 0 && same === 0) same = ref
        if (ref !== 0) frame.writeUInt16LE(same, at)
      }
    })
    t.true(nodes > 0)
    t.is(found, '')
  })
}
