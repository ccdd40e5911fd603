/** The four requests on extended attributes: decodes, calls the operation, and for the two that read encodes its result. */
import { constants } from 'node:os'
import { MAX_NAME } from '../../limits.ts'
import type { Operations } from '../operations.ts'
import { Reply } from './reply.ts'
import type { Request } from './request.ts'
import * as wire from './wire.ts'

const { ERANGE, EINVAL } = constants.errno

/** Length of the reply. */
export function getxattr(operations: Operations, request: Request, reply: Reply): number {
  const name = request.name(wire.GETXATTR_NAME, request.length - 1)
  if (name === undefined) return reply.error(request, -ERANGE)
  const size = request.u32(wire.GETXATTR_SIZE)
  return sized(request, reply, size, operations.getxattr(request.ino, name, size, reply.bytes, Reply.DATA_AT))
}

/** Length of the reply. */
export function listxattr(operations: Operations, request: Request, reply: Reply): number {
  const size = request.u32(wire.GETXATTR_SIZE)
  return sized(
    request,
    reply,
    size,
    operations.listxattr(request.caller, request.ino, size, reply.bytes, Reply.DATA_AT),
  )
}

/** A result, or minus an errno. */
export function setxattr(operations: Operations, request: Request): number {
  const size = request.u32(wire.SETXATTR_SIZE)
  const flags = request.u32(wire.SETXATTR_FLAGS)
  // A kernel that did not agree to the longer head sends the shorter one: only one of them adds up.
  const oldEnd = request.end(wire.SETXATTR_NAME_OLD)
  const isOld = oldEnd + 1 + size === request.length
  const nameAt = isOld ? wire.SETXATTR_NAME_OLD : wire.SETXATTR_NAME
  const nameEnd = isOld ? oldEnd : request.end(wire.SETXATTR_NAME)
  if (nameEnd + 1 + size !== request.length) return -EINVAL
  if (nameEnd - nameAt > MAX_NAME) return -ERANGE
  const killSetgid = !isOld && (request.u32(wire.SETXATTR_MORE_FLAGS) & wire.SETXATTR_ACL_KILL_SGID) !== 0
  const name = request.bytes.subarray(nameAt, nameEnd)
  const value = request.bytes.subarray(nameEnd + 1, nameEnd + 1 + size)
  return operations.setxattr(request.ino, name, value, flags, killSetgid)
}

/** A result, or minus an errno. */
export function removexattr(operations: Operations, request: Request): number {
  const name = request.name(wire.IN_HEADER_SIZE, request.length - 1)
  return name === undefined ? -ERANGE : operations.removexattr(request.ino, name)
}

function sized(request: Request, reply: Reply, size: number, result: number): number {
  if (result < 0) return reply.error(request, result)
  return size === 0 ? reply.wide(request, result) : reply.data(request, result)
}
