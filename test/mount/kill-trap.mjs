/**
 * Preloaded into a server (NODE_OPTIONS=--import) by tests: kills its process with SIGKILL at a request that a test chooses.
 * The file that HOLTFS_TRAP names holds `read OPCODE` (the request has been read, nothing is done) or `reply OPCODE` (all is
 * done, nothing is answered); it is renamed to *.sprung when that comes to pass, unless it ends with ` always`. Only FUSE
 * workers use descriptor 3, and 4 for what they have in hand.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const DEVICE = 3
const NOTES = 4
const trap = process.env.HOLTFS_TRAP
const { readSync, writeSync, readFileSync, renameSync } = fs
let opcode = 0

function spring(moment) {
  let set = ''
  try {
    set = readFileSync(trap, 'utf8')
  } catch {
    return
  }
  const wanted = `${moment} ${opcode}`
  if (set !== wanted && set !== `${wanted} always`) return
  if (set === wanted) renameSync(trap, `${trap}.sprung`)
  process.kill(process.pid, 'SIGKILL')
}

if (!isMainThread && trap !== undefined) {
  fs.readSync = (fd, buffer, ...rest) => {
    const length = readSync(fd, buffer, ...rest)
    if (fd === DEVICE) {
      opcode = buffer.readUInt32LE(4)
      // What was sent before is begun when it is noted, and not at all when it is refused.
      if (buffer.readUInt32LE(12) < 2 ** 31) spring('read')
    }
    return length
  }
  fs.writeSync = (fd, ...rest) => {
    if (fd === DEVICE) spring('reply')
    const length = writeSync(fd, ...rest)
    if (fd === NOTES && rest[0].some((byte, at) => at >= 4 && byte !== 0)) spring('read')
    return length
  }
  syncBuiltinESMExports()
}
