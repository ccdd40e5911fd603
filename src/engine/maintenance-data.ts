/** What the background thread is given, and the two words by which it is told to end and tells that it is at work. */
import type { StoreHandle } from './attach.ts'

export interface MaintenanceData {
  handle: StoreHandle
  words: SharedArrayBuffer
}

export const M_STOP = 0
export const M_BUSY = 1
