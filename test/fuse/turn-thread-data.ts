/** What turn.test.ts and its threads agree on. */
export interface TurnThread {
  requests: number
  replies: number
  turns: Int32Array<SharedArrayBuffer>
}

/** A request that is served for a millisecond, and one after which the worker leaves. */
export const LONG = 1
export const LAST = 2
