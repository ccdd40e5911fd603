/**
 * Preloaded into a server (NODE_OPTIONS=--import) by tests: kills its process with SIGKILL at a request that a test chooses.
 * The file that HOLTFS_TRAP names holds `read OPCODE` (the request has been read, nothing is done) or `reply OPCODE` (all is
 * done, nothing is answered); it is renamed to *.sprung when that comes to pass. Only FUSE workers use descriptor 3.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const DEVICE = 3
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
  if (set !== `${moment} ${opcode}`) return
  renameSync(trap, `${trap}.sprung`)
  process.kill(process.pid, 'SIGKILL')
}

if (!isMainThread && trap !== undefined) {
  fs.readSync = (fd, buffer, ...rest) => {
    const length = readSync(fd, buffer, ...rest)
    if (fd === DEVICE) {
      opcode = buffer.readUInt32LE(4)
      spring('read')
    }
    return length
  }
  fs.writeSync = (fd, ...rest) => {
    if (fd === DEVICE) spring('reply')
    return writeSync(fd, ...rest)
  }
  syncBuiltinESMExports()
}
