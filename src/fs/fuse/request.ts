/**
 * One request as it came from the kernel: a buffer that is filled anew for each, and accessors by byte offset. Numbers
 * beyond 32 bits are put together from two words. Names are views into the buffer, valid until the next request.
 */
import { MAX_NAME } from '../../limits.ts'
import type { AttributeChange, Caller } from '../operations.ts'
import {
  noChange,
  SET_ATIME,
  SET_ATIME_NOW,
  SET_CTIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_MTIME_NOW,
  SET_SIZE,
  SET_UID,
} from '../operations.ts'
import * as wire from './wire.ts'

const TWO_32 = 4294967296
const SETATTR_KEPT =
  SET_MODE | SET_UID | SET_GID | SET_SIZE | SET_ATIME | SET_MTIME | SET_ATIME_NOW | SET_MTIME_NOW | SET_CTIME

export class Request {
  readonly bytes: Buffer
  readonly #words: Uint32Array
  readonly caller: Caller = { uid: 0, gid: 0, pid: 0, umask: 0, killsPrivileges: false, tookPrivilegesOf: 0 }
  readonly change: AttributeChange = noChange()
  length = 0
  opcode = 0
  /** The inode that the request is about; the parent directory for requests that carry a name. */
  ino = 0
  uniqueLow = 0
  uniqueHigh = 0

  constructor() {
    const buffer = new ArrayBuffer(wire.MESSAGE_SIZE)
    this.bytes = Buffer.from(buffer)
    this.#words = new Uint32Array(buffer)
  }

  /** Takes the header of the message of `length` bytes in `bytes`. False when it is not one whole message. */
  accept(length: number): boolean {
    if (length < wire.IN_HEADER_SIZE || this.u32(wire.IN_LEN) !== length) return false
    this.length = length
    this.opcode = this.u32(wire.IN_OPCODE)
    this.uniqueLow = this.u32(wire.IN_UNIQUE)
    this.uniqueHigh = this.u32(wire.IN_UNIQUE + 4)
    this.ino = this.u64(wire.IN_NODEID)
    this.caller.uid = this.u32(wire.IN_UID)
    this.caller.gid = this.u32(wire.IN_GID)
    this.caller.pid = this.u32(wire.IN_PID)
    this.caller.killsPrivileges = this.caller.uid !== 0
    this.caller.tookPrivilegesOf = 0
    return true
  }

  u32(at: number): number {
    return this.#words[at >> 2]
  }

  /** Exact up to 2^53; larger values (an offset beyond any file) come out rounded and stay larger. */
  u64(at: number): number {
    return this.#words[(at >> 2) + 1] * TWO_32 + this.#words[at >> 2]
  }

  /** Signed, for times before 1970. */
  i64(at: number): number {
    return (this.#words[(at >> 2) + 1] | 0) * TWO_32 + this.#words[at >> 2]
  }

  /** Offset of the NUL that ends the string at `at`. */
  end(at: number): number {
    let end = at
    while (end < this.length && this.bytes[end] !== 0) end++
    return end
  }

  /** The bytes from `at` up to `end`, or undefined when that is longer than a file name may be. */
  name(at: number, end: number): Uint8Array | undefined {
    return end - at > MAX_NAME ? undefined : this.bytes.subarray(at, end)
  }

  /** The body of SETATTR. */
  attributeChange(): AttributeChange {
    const change = this.change
    const valid = this.u32(wire.SETATTR_VALID)
    change.valid = valid & SETATTR_KEPT
    this.caller.killsPrivileges = (valid & wire.SETATTR_KILL_SUIDGID) !== 0
    change.size = this.u64(wire.SETATTR_SIZE)
    change.atime = this.i64(wire.SETATTR_ATIME)
    change.mtime = this.i64(wire.SETATTR_MTIME)
    change.ctime = this.i64(wire.SETATTR_CTIME)
    change.atimeNs = this.u32(wire.SETATTR_ATIMENSEC)
    change.mtimeNs = this.u32(wire.SETATTR_MTIMENSEC)
    change.ctimeNs = this.u32(wire.SETATTR_CTIMENSEC)
    change.mode = this.u32(wire.SETATTR_MODE)
    change.uid = this.u32(wire.SETATTR_UID)
    change.gid = this.u32(wire.SETATTR_GID)
    return change
  }
}
