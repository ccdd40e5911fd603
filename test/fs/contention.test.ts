/**
 * Threads that call the filesystem's operations at once, over few names and with no kernel in front that would take turns
 * in a directory. Every answer of every thread must be the one that a plain model gives at that point of the order in
 * which the changes were made; the tree that is left is the model's, before and after a restart, and `check` finds nothing.
 * HOLTFS_STEPS is the number of operations a thread, HOLTFS_SCHEDULES that of orders that are followed step by step.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { openStore } from '../../src/engine/store.ts'
import { type FileSystemHandle, makeFileSystem } from '../../src/fs/attach.ts'
import { checkFilesystem } from '../../src/fs/check.ts'
import { DataFiles } from '../../src/fs/data-files.ts'
import type { FileSystem } from '../../src/fs/filesystem.ts'
import { createFsShared } from '../../src/fs/shared.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { startThread } from '../../src/thread.ts'
import { createSchedule } from '../support/interleave.ts'
import { attributesOf, isDirectory, Model, type Node } from './contention-model.ts'
import { replay } from './contention-replay.ts'
import { type ContentionInput, DIRECTORIES, INODES, type Step, W_SECTIONS } from './contention-step.ts'

const STEPS = Number(process.env.HOLTFS_STEPS ?? 3000)
const SCHEDULES = Number(process.env.HOLTFS_SCHEDULES ?? 3)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const THREADS = 4
const ROOT = 1
const BALLAST = 1500
const caller = { uid: 0, gid: 0, pid: 1, umask: 0, killsPrivileges: false }

interface Run {
  seed: number
  /** Steps a thread. */
  steps: number
  poolBytes: number
  /** One thread at a time, in an order that follows from the seed; in memory. */
  scheduled: boolean
}

async function contend(t: ExecutionContext, run: Run): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-contention-'))
  const options = { poolBytes: run.poolBytes }
  const store = openStore(run.scheduled ? undefined : join(directory, 'store'), options)
  const handle: FileSystemHandle = {
    store: store.share(),
    shared: createFsShared(),
    directory: store.directory ?? directory,
    readOnly: false,
  }
  const fs = makeFileSystem(handle, store.tree)
  fs.format(0, 0)
  const model = new Model()
  if (!run.scheduled) addBallast(fs, model)
  const words = new SharedArrayBuffer(8)
  const inodes = new SharedArrayBuffer(8 * (DIRECTORIES + INODES))
  new Float64Array(inodes).fill(ROOT)
  const schedule = run.scheduled ? createSchedule(THREADS, run.seed) : undefined
  const collect = run.scheduled ? undefined : setInterval(() => fs.collectRetired(), 50)
  const threads = Array.from({ length: THREADS }, (_, thread) => {
    const seed = run.seed * THREADS + thread
    const input: ContentionInput = { thread, seed, steps: run.steps, handle, words, inodes, schedule }
    return startThread(import.meta.url, './contention-thread', { workerData: input })
  })
  await Promise.all(threads.map(answer))
  for (const thread of threads) thread.postMessage('go')
  const steps = ((await Promise.all(threads.map(answer))) as Step[][]).flat()
  clearInterval(collect)
  await Promise.all(threads.map(thread => thread.terminate()))

  t.deepEqual(replay(model, steps, new Int32Array(words)[W_SECTIONS]), [], `seed ${run.seed}`)
  compare(t, fs, model)
  fs.collectRetired()
  t.deepEqual(problemsOf(handle, store.tree), [], `seed ${run.seed}`)
  store.close()
  if (!run.scheduled) {
    const again = openStore(handle.directory, options)
    const shared = createFsShared()
    const reopened: FileSystemHandle = { ...handle, store: again.share(), shared }
    const after = makeFileSystem(reopened, again.tree)
    for (const [ino, node] of model.nodes) if (node.nlink === 0) model.nodes.delete(ino)
    after.collectOrphans()
    compare(t, after, model)
    t.deepEqual(problemsOf(reopened, again.tree), [], `seed ${run.seed}`)
    again.close()
  }
  rmSync(directory, { recursive: true })
  if (!run.scheduled) hasTried(t, steps)
}

function answer(thread: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    thread.once('error', reject)
    once(thread, 'message').then(([message]) => resolve(message), reject)
  })
}

/** A directory of files that no thread touches, so that the pool cannot hold all frames. */
function addBallast(fs: FileSystem, model: Model): void {
  const attr = Buffer.alloc(88)
  fs.mkdir(caller, ROOT, Buffer.from('ballast'), 0o755, attr, 0)
  const directory = model.mkdir('ballast', Number(attr.readBigUInt64LE(0)))
  const bytes = Buffer.alloc(7000, 'ballast')
  for (let i = 0; i < BALLAST; i++) {
    fs.mknod(caller, directory.ino, Buffer.from(`${i}`), 0o100644, 0, attr, 0)
    const ino = Number(attr.readBigUInt64LE(0))
    fs.write(caller, ino, 0, bytes)
    model.file(directory, `${i}`, ino).bytes = bytes
  }
}

function problemsOf(handle: FileSystemHandle, tree: Parameters<typeof checkFilesystem>[0]): unknown[] {
  const problems: unknown[] = []
  const data = new DataFiles(hostStorage, join(handle.directory, 'data'), handle.shared)
  checkFilesystem(tree, data, problem => problems.push(problem))
  data.close()
  return problems
}

/** The whole tree from the root, and every inode that is known to exist, with all bytes. */
function compare(t: ExecutionContext, fs: FileSystem, model: Model): void {
  const differences: string[] = []
  const attr = Buffer.alloc(88)
  const out = Buffer.alloc(40_000)
  for (const node of model.nodes.values()) {
    const rc = fs.getattr(node.ino, attr, 0)
    const expected = attributesOf(node)
    const found = {
      ino: Number(attr.readBigUInt64LE(0)),
      mode: attr.readUInt32LE(60),
      nlink: attr.readUInt32LE(64),
      size: Number(attr.readBigUInt64LE(8)),
    }
    if (rc < 0 || JSON.stringify(found) !== JSON.stringify(expected)) {
      differences.push(`${JSON.stringify(expected)}: ${rc} ${JSON.stringify(found)}`)
    }
    if (isDirectory(node)) {
      if (node.nlink > 0) differences.push(...differencesOfListing(fs, node))
    } else if ((node.mode & 0o170000) === 0o100000) {
      const length = fs.read(node.ino, 0, out.length, out, 0)
      if (!out.subarray(0, Math.max(0, length)).equals(node.bytes)) {
        differences.push(`bytes of ${node.ino}: ${length} of ${node.bytes.length}`)
      }
    }
  }
  t.deepEqual(differences.slice(0, 10), [])
}

function differencesOfListing(fs: FileSystem, node: Node): string[] {
  const found: string[] = []
  for (let offset = 0, more = true; more; ) {
    more = false
    const sink = {
      plus: false,
      add(ino: number, _type: number, cookie: number, name: Uint8Array, nameLength: number): boolean {
        if (offset >= 2) found.push(`${Buffer.from(name.subarray(0, nameLength))} ${ino}`)
        offset = cookie
        more = true
        return true
      },
    }
    if (fs.readdir(node.ino, offset, sink) < 0) return [`directory ${node.ino} cannot be listed`]
  }
  const expected = [...node.children].map(([name, child]) => `${name} ${child.ino}`)
  return found.sort().join() === expected.sort().join() ? [] : [`listing of ${node.ino}: ${found} | ${expected}`]
}

const MAY_FAIL = ['mknod', 'mkdir', 'symlink', 'link', 'unlink', 'rmdir', 'rename', 'lookup']

/** A run in which hardly anything succeeds, or fails, shows nothing. */
function hasTried(t: ExecutionContext, steps: Step[]): void {
  const count = (kind: string, done: boolean) => steps.filter(s => s.kind === kind && s.result >= 0 === done).length
  for (const kind of new Set(steps.map(step => step.kind))) {
    t.true(count(kind, true) >= 5, `${kind} hardly ever succeeds`)
    if (MAY_FAIL.includes(kind)) t.true(count(kind, false) >= 1, `${kind} hardly ever fails`)
  }
}

for (const poolBytes of [4 << 20, 64 << 20]) {
  test.serial(`${THREADS} threads at full speed, a pool of ${poolBytes >> 20} MB`, async t => {
    t.timeout(3_600_000)
    t.log(`seed ${SEED}`)
    await contend(t, { seed: SEED, steps: STEPS, poolBytes, scheduled: false })
  })
}

test.serial(`${THREADS} threads that take turns at every atomic step`, async t => {
  t.timeout(3_600_000)
  t.log(`seed ${SEED}`)
  for (let i = 0; i < SCHEDULES && t.passed; i++) {
    await contend(t, { seed: SEED + i, steps: 100, poolBytes: 16 << 20, scheduled: true })
  }
})
