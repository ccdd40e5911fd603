/**
 * Inodes without a name: they live on for whoever has them open, and go when the kernel knows them no more, or at the next start
 * when a crash came first.
 *
 * FORGET is only the occasion to ask: the kernel also sends one for a reply that it could not use, while the inode stays
 * open. What it still knows, the kernel is asked itself, which holds too when the server was replaced under a live mount. An inode
 * that had a name is known to the kernel from before it lost it. One that was born without a name is not asked about until the
 * first FORGET shows that the kernel has seen it: before that the reply that creates it may be on its way.
 */
import type { Allocation } from './allocation.ts'
import { type FsContext, NO_ORPHAN, ORPHAN_SEEN, ORPHAN_UNSEEN } from './context.ts'
import { DATA_FILE, DATA_INLINE, InodeRecord } from './inode.ts'
import { ALL_ORPHANS, NS_INLINE, NS_INODE, NS_ORPHAN, NUMBER_KEY, numberKey, walkedNumber } from './keys.ts'
import type { MetadataCursor } from './metadata.ts'
import { W_ORPHANS_FORGOTTEN } from './shared.ts'

/** Orphans removed in one commit: few, so that requests do not wait long for the exclusive section. */
const BATCH = 32
/** Bytes of keys of extended attributes after which such a commit ends; an inode has at most half of that. */
const BATCH_BYTES = 1 << 20

/** Whether the kernel has the inode in its memory, so that somebody may be using it. */
export type KnownToKernel = (ino: number) => boolean

export class Orphans {
  readonly #context: FsContext
  readonly #allocation: Allocation
  readonly #inode = new InodeRecord()
  readonly #cursor: MetadataCursor
  readonly #after = new Uint8Array(NUMBER_KEY)
  /** How many orphans had been forgotten when the last collection began. */
  #collected = 0

  constructor(context: FsContext, allocation: Allocation) {
    this.#context = context
    this.#allocation = allocation
    this.#cursor = context.metadata.cursor()
  }

  /** Takes note that the kernel gave up an orphan, perhaps not for good: {@link collectForgotten} will ask. */
  forget(ino: number): void {
    const context = this.#context
    if (context.readOnly) return
    const state = context.orphanState(ino)
    if (state === NO_ORPHAN) return
    if (state === ORPHAN_UNSEEN) this.#markSeen(ino)
    Atomics.add(context.shared.words, W_ORPHANS_FORGOTTEN, 1)
  }

  #markSeen(ino: number): void {
    const context = this.#context
    context.enter()
    try {
      if (context.orphanState(ino) !== ORPHAN_UNSEEN) {
        context.abandon(0)
        return
      }
      context.stageOrphan(ino, ORPHAN_SEEN)
      context.concludeStep()
    } finally {
      context.leave()
    }
  }

  /** Takes note that any orphan may have been given up. */
  doubt(): void {
    Atomics.add(this.#context.shared.words, W_ORPHANS_FORGOTTEN, 1)
  }

  /** Removes the orphans that the kernel does not know, if it has forgotten one since the last call; returns how many. */
  collectForgotten(known: KnownToKernel): number {
    const forgotten = Atomics.load(this.#context.shared.words, W_ORPHANS_FORGOTTEN)
    if (forgotten === this.#collected) return 0
    const count = this.#collect(ino => this.#context.orphanState(ino) !== ORPHAN_UNSEEN && !known(ino))
    this.#collected = forgotten
    return count
  }

  /** Removes all orphans; returns how many. Only while nobody can have one open. */
  collect(): number {
    return this.#collect(() => true)
  }

  #collect(isOver: (ino: number) => boolean): number {
    let count = 0
    let afterLength = 0
    for (let more = true; more; ) {
      const over: number[] = []
      this.#cursor.seek(ALL_ORPHANS, ALL_ORPHANS.length, this.#after, afterLength, -1, false)
      more = false
      while (this.#cursor.next()) {
        const ino = walkedNumber(this.#cursor.key, this.#cursor.keyLength)
        if (isOver(ino)) over.push(ino)
        if (over.length < BATCH) continue
        afterLength = numberKey(this.#after, NS_ORPHAN, ino)
        more = true
        break
      }
      for (let done = 0; done < over.length; ) done += this.#remove(over, done)
      count += over.length
    }
    return count
  }

  /** Removes `inos` from the index `from`, as many as go into one commit; returns how many it has gone through. */
  #remove(inos: readonly number[], from: number): number {
    const context = this.#context
    let at = from
    let ended = 0
    context.enter()
    try {
      for (let bytes = 0; at < inos.length && bytes < BATCH_BYTES; at++) {
        // Link may have given it a name meanwhile.
        if (context.orphanState(inos[at]) === NO_ORPHAN) continue
        bytes += this.#stageEnd(inos[at])
        ended++
      }
      if (ended === 0) context.abandon(0)
      else context.concludeStep()
    } finally {
      context.leave()
    }
    return at - from
  }

  /** Returns roughly how many bytes were staged beyond the few of every orphan. */
  #stageEnd(ino: number): number {
    const context = this.#context
    const inode = this.#inode
    let bytes = 0
    if (context.readInode(ino, inode)) {
      bytes = context.xattrs.stageEnd(inode)
      if (inode.dataKind === DATA_INLINE) context.stageRemove(NS_INLINE, ino)
      if (inode.dataKind === DATA_FILE) this.#allocation.stageRetire(inode.dataId)
      context.stageRemove(NS_INODE, ino)
    }
    context.stageRemove(NS_ORPHAN, ino)
    return bytes
  }
}
