/**
 * A passthrough filesystem on fuse-native, in a process of its own: `passthrough.ts BACKING MOUNTPOINT`. It does as little
 * as such a filesystem can: one synchronous call on the backing directory for each request, no timer a request, and the
 * kernel may cache names and attributes for an hour. Writes "ready" when it is mounted.
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

type Done = (error: number, result?: unknown) => void
interface FuseNative {
  mount(done: (error: Error | null) => void): void
}

const Fuse: new (mountpoint: string, operations: object, options: object) => FuseNative = createRequire(
  import.meta.url,
)('fuse-native')

const [backing, mountpoint] = process.argv.slice(2)
const on = (path: string) => join(backing, path)

/** Answers with what `call` returns, or with the errno of what it throws. */
function reply(done: Done, call: () => unknown): void {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException
    done(errno ?? -5)
    return
  }
  done(0, result)
}

/** Read and write answer with a count of bytes, or the errno in its place. */
function replyCount(done: (count: number) => void, call: () => number): void {
  let count: number
  try {
    count = call()
  } catch (error) {
    count = (error as NodeJS.ErrnoException).errno ?? -5
  }
  done(count)
}

const operations = {
  getattr: (path: string, done: Done) => reply(done, () => fs.lstatSync(on(path))),
  fgetattr: (_: string, fd: number, done: Done) => reply(done, () => fs.fstatSync(fd)),
  readdir: (path: string, done: Done) => reply(done, () => fs.readdirSync(on(path))),
  open: (path: string, flags: number, done: Done) => reply(done, () => fs.openSync(on(path), flags)),
  create: (path: string, mode: number, done: Done) => reply(done, () => fs.openSync(on(path), 'wx+', mode)),
  release: (_: string, fd: number, done: Done) => reply(done, () => fs.closeSync(fd)),
  read: (_: string, fd: number, buffer: Buffer, length: number, position: number, done: (count: number) => void) =>
    replyCount(done, () => fs.readSync(fd, buffer, 0, length, position)),
  write: (_: string, fd: number, buffer: Buffer, length: number, position: number, done: (count: number) => void) =>
    replyCount(done, () => fs.writeSync(fd, buffer, 0, length, position)),
  truncate: (path: string, size: number, done: Done) => reply(done, () => fs.truncateSync(on(path), size)),
  ftruncate: (_: string, fd: number, size: number, done: Done) => reply(done, () => fs.ftruncateSync(fd, size)),
  chmod: (path: string, mode: number, done: Done) => reply(done, () => fs.chmodSync(on(path), mode)),
  chown: (path: string, uid: number, gid: number, done: Done) => reply(done, () => fs.chownSync(on(path), uid, gid)),
  utimens: (path: string, atime: number, mtime: number, done: Done) =>
    reply(done, () => fs.utimesSync(on(path), atime / 1000, mtime / 1000)),
  unlink: (path: string, done: Done) => reply(done, () => fs.unlinkSync(on(path))),
  mkdir: (path: string, mode: number, done: Done) => reply(done, () => fs.mkdirSync(on(path), mode)),
  rmdir: (path: string, done: Done) => reply(done, () => fs.rmdirSync(on(path))),
  link: (from: string, to: string, done: Done) => reply(done, () => fs.linkSync(on(from), on(to))),
  symlink: (target: string, path: string, done: Done) => reply(done, () => fs.symlinkSync(target, on(path))),
  readlink: (path: string, done: Done) => reply(done, () => fs.readlinkSync(on(path))),
  rename: (from: string, to: string, done: Done) => reply(done, () => fs.renameSync(on(from), on(to))),
}

const options = { timeout: false, entryTimeout: 3600, attrTimeout: 3600, defaultPermissions: true }
new Fuse(mountpoint, operations, options).mount(error => {
  if (error !== null && error !== undefined) {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
  process.stdout.write('ready\n')
})
