/**
 * Reading requests from and writing replies to a /dev/fuse descriptor. Blocking; knows which errors of the device mean
 * "again", which mean "the mount is gone" (the clean end) and which are ours.
 */
import { readSync, writeSync } from 'node:fs'
import type { Request } from './request.ts'

/** States of the gate that the main thread opens and shuts for the workers. */
export const GATE_CLOSED = 0
export const GATE_OPEN = 1
export const GATE_SHUT = 2

/** Milliseconds between two tries to read from a device that is not mounted yet. */
const NOT_MOUNTED_PAUSE = 1

/** Waits for the next request; false when there will be none any more. */
export function receive(fd: number, request: Request, gate: Int32Array): boolean {
  for (;;) {
    try {
      const length = readSync(fd, request.bytes, 0, request.bytes.length, null)
      if (length === 0) return false
      if (request.accept(length)) return true
      throw new RangeError(`a FUSE request of ${length} bytes is not one whole message`)
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
        // ENOENT: the request was interrupted between the kernel's queue and us.
        case 'EINTR':
        case 'EAGAIN':
        case 'ENOENT':
          continue
        case 'ENODEV':
        case 'ECONNABORTED':
          return false
        // The device is open but mount(2) has not happened yet.
        case 'EPERM':
          if (Atomics.load(gate, 0) === GATE_SHUT) return false
          Atomics.wait(gate, 0, GATE_OPEN, NOT_MOUNTED_PAUSE)
          continue
        default:
          throw error
      }
    }
  }
}

/** Sends a reply of `length` bytes. A reply that nobody waits for any more (ENOENT, or no mount) is dropped. */
export function send(fd: number, bytes: Uint8Array, length: number): void {
  for (;;) {
    try {
      writeSync(fd, bytes, 0, length, null)
      return
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
        case 'EINTR':
        case 'EAGAIN':
          continue
        case 'ENOENT':
        case 'ENODEV':
        case 'ECONNABORTED':
          return
        default:
          throw error
      }
    }
  }
}
