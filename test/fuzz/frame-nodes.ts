/** The nodes of a frame image, found independently of the walker: where changing a byte changes the tree. */
import {
  BLOB,
  BLOB_BYTES,
  H_ROOT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  NODE4,
  NODE4_CHILDREN,
  NODE4_SIZE,
  NODE16,
  NODE16_CHILDREN,
  NODE16_SIZE,
  NODE48,
  NODE48_CHILDREN,
  NODE48_SIZE,
  NODE256,
  NODE256_CHILDREN,
  NODE256_SIZE,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
} from '../../src/engine/layout.ts'

export interface FrameNode {
  at: number
  /** Bytes of it that are structure. */
  length: number
}

const INNER: Record<number, [children: number, size: number]> = {
  [NODE4]: [NODE4_CHILDREN, NODE4_SIZE],
  [NODE16]: [NODE16_CHILDREN, NODE16_SIZE],
  [NODE48]: [NODE48_CHILDREN, NODE48_SIZE],
  [NODE256]: [NODE256_CHILDREN, NODE256_SIZE],
}

export function frameNodes(frame: Buffer): FrameNode[] {
  const nodes: FrameNode[] = []
  const seen = new Set<number>()
  const stack = [H_ROOT]
  for (let refAt = stack.pop(); refAt !== undefined; refAt = stack.pop()) {
    if (refAt + 2 > frame.length) continue
    const ref = frame.readUInt16LE(refAt)
    const at = offsetOf(ref)
    if (ref === 0 || seen.has(at) || at >= frame.length) continue
    seen.add(at)
    const kind = frame[at]
    if (kind === LEAF) nodes.push({ at, length: LEAF_HEAD })
    else if (kind === BLOB) nodes.push({ at, length: BLOB_BYTES + frame[at + 1] })
    else if (kind === PREFIX) {
      nodes.push({ at, length: PREFIX_BYTES + frame[at + 1] })
      stack.push(at + PREFIX_CHILD)
    } else if (INNER[kind] !== undefined) {
      const [children, size] = INNER[kind]
      nodes.push({ at, length: size })
      stack.push(at + INNER_TERMINAL)
      for (let child = at + children; child < at + size; child += 2) stack.push(child)
    }
  }
  return nodes
}
