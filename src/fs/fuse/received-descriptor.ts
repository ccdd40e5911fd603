/**
 * A socket pair over which a child process hands a descriptor to this one (SCM_RIGHTS), through the C library: Node has no
 * call for it. Linux on 64-bit little-endian machines; both glibc and musl lay the structures out so.
 */
import { closeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { koffi } from '../../journal/c-library.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x40000000

/** Bytes of a `struct msghdr`, a `struct iovec`, and a `struct cmsghdr` with one descriptor behind it. */
const MESSAGE_SIZE = 56
const VECTOR_SIZE = 16
const CONTROL_SIZE = 24

export class DescriptorChannel {
  /** For the child process; closed by {@link close}. */
  readonly theirs: number
  readonly #ours: number
  readonly #libc = koffi().load(null)

  /** @throws Error with the errno's name when the host has no descriptors left */
  constructor() {
    const pair = new Int32Array(2)
    const socketpair = this.#libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *pair)')
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) throw new Error(`socketpair: ${lastError()}`)
    this.#ours = pair[0]
    this.theirs = pair[1]
  }

  /** The descriptor that was sent, close-on-exec. Does not wait: the child has ended. @throws Error when there is none */
  receive(): number {
    const address = (bytes: Buffer) => BigInt(koffi().address(bytes))
    const data = Buffer.alloc(1)
    const vector = Buffer.alloc(VECTOR_SIZE)
    vector.writeBigUInt64LE(address(data), 0)
    vector.writeBigUInt64LE(BigInt(data.length), 8)
    const control = Buffer.alloc(CONTROL_SIZE)
    const message = Buffer.alloc(MESSAGE_SIZE)
    message.writeBigUInt64LE(address(vector), 16)
    message.writeBigUInt64LE(1n, 24)
    message.writeBigUInt64LE(address(control), 32)
    message.writeBigUInt64LE(BigInt(CONTROL_SIZE), 40)
    const recvmsg = this.#libc.func('int64_t recvmsg(int fd, void *message, int flags)')
    const length = Number(recvmsg(this.#ours, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC))
    if (length < 0) throw new Error(`recvmsg: ${lastError()}`)
    const carriesOne =
      message.readUInt32LE(40) >= 20 && control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS
    if (!carriesOne) throw new Error('no descriptor was sent')
    return control.readInt32LE(16)
  }

  close(): void {
    closeSync(this.#ours)
    closeSync(this.theirs)
  }
}

function lastError(): string {
  return getSystemErrorName(-koffi().errno())
}
