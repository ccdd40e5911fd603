/**
 * The process that works on one filesystem: `mount-client.ts DIRECTORY [ENTRIES]`, which makes the directory, and a
 * large one with so many entries in it. It has its working directory elsewhere and keeps
 * nothing open between two questions, so that caches can be dropped in between.
 */
import fs from 'node:fs'
import { join } from 'node:path'

const FILES = 1000
const ENTRIES = Number(process.argv[3] ?? 10_000)
const TREE_FILES = 2000
const TREE_FILES_PER_DIRECTORY = 50
const BLOCK = Buffer.alloc(4096, 'holt')
const TREE_TIME = new Date('2024-02-03T04:05:06Z')

const directory = process.argv[2]
const standing = join(directory, 'standing')
const large = join(directory, 'large')
const work = join(directory, 'work')
const nameOf = (i: number) => `file-${String(i).padStart(4, '0')}`
const files = Array.from({ length: FILES }, (_, i) => nameOf(i))
let rounds = 0

/** Runs `step` for each file name below `within`; nanoseconds a file. */
function each(within: string, step: (path: string) => void): number {
  const paths = files.map(name => join(within, name))
  return timed(() => paths.forEach(step)) / FILES
}

function timed(run: () => void): number {
  const begin = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - begin)
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`wrong answer: ${what}`)
}

function createEmpty(path: string): void {
  fs.closeSync(fs.openSync(path, 'wx'))
}

function writeBlock(path: string): void {
  const fd = fs.openSync(path, 'wx')
  fs.writeSync(fd, BLOCK, 0, BLOCK.length, 0)
  fs.closeSync(fd)
}

const target = Buffer.alloc(BLOCK.length + 1)

function readBlock(path: string): void {
  const fd = fs.openSync(path, 'r')
  const length = fs.readSync(fd, target, 0, target.length, 0)
  fs.closeSync(fd)
  check(length === BLOCK.length && target[4095] === BLOCK[4095], `contents of ${path}`)
}

/** What unpacking an archive does: directories, then files of 0 to 15 KB with their mode and times. */
function unpack(root: string): void {
  fs.mkdirSync(root)
  const bytes = Buffer.alloc(16_384, 'tree')
  for (let i = 0; i < TREE_FILES; i++) {
    const below = join(root, `part-${Math.floor(i / TREE_FILES_PER_DIRECTORY)}`)
    if (i % TREE_FILES_PER_DIRECTORY === 0) fs.mkdirSync(below)
    const fd = fs.openSync(join(below, nameOf(i)), 'wx', 0o600)
    fs.writeSync(fd, bytes, 0, (i % 16) * 1024)
    fs.fchmodSync(fd, 0o644)
    fs.futimesSync(fd, TREE_TIME, TREE_TIME)
    fs.closeSync(fd)
  }
}

function checkTree(root: string): void {
  for (let i = 0; i < TREE_FILES; i += 77) {
    const found = fs.statSync(join(root, `part-${Math.floor(i / TREE_FILES_PER_DIRECTORY)}`, nameOf(i)))
    check(found.size === (i % 16) * 1024 && found.mtimeMs === TREE_TIME.getTime(), 'unpacked file')
  }
}

/** Nanoseconds of each; those that change something leave `work` as the next one expects it, in this order. */
const questions: Record<string, () => number> = {
  'stat, cached by the kernel': () => {
    each(standing, path => fs.statSync(path))
    return each(standing, path => check(fs.statSync(path).size === BLOCK.length, 'size'))
  },
  'stat, after the kernel dropped names and inodes': () =>
    each(standing, path => check(fs.statSync(path).size === BLOCK.length, 'size')),
  'stat of a missing name': () => {
    const run = rounds++
    return each(standing, path =>
      check(fs.statSync(`${path}.${run}`, { throwIfNoEntry: false }) === undefined, 'absent'),
    )
  },
  'create an empty file': () => {
    fs.mkdirSync(work)
    return each(work, createEmpty)
  },
  'unlink an empty file': () => each(work, path => fs.unlinkSync(path)),
  'create a file and write 4 KB': () => each(work, writeBlock),
  'open, read 4 KB, close': () => each(work, readBlock),
  'rename a file': () =>
    each(work, path => fs.renameSync(path, `${path}.renamed`)) / 2 +
    each(work, path => fs.renameSync(`${path}.renamed`, path)) / 2,
  'unlink a file of 4 KB': () => each(work, path => fs.unlinkSync(path)),
  mkdir: () => each(work, path => fs.mkdirSync(path)),
  rmdir: () => {
    const figure = each(work, path => fs.rmdirSync(path))
    fs.rmdirSync(work)
    return figure
  },
  'list a directory of 10,000': () => timed(() => check(fs.readdirSync(large).length === ENTRIES, 'number of entries')),
  'list and stat a directory of 10,000, nothing cached': () =>
    timed(() => {
      for (const name of fs.readdirSync(large)) check(fs.lstatSync(join(large, name)).isFile(), 'type')
    }),
  'unpack a tree of 2,000 files, a file': () => {
    const root = join(directory, 'tree')
    const figure = timed(() => unpack(root)) / TREE_FILES
    checkTree(root)
    return figure
  },
  'remove that tree, a file': () => timed(() => fs.rmSync(join(directory, 'tree'), { recursive: true })) / TREE_FILES,
}

fs.mkdirSync(standing, { recursive: true })
fs.mkdirSync(large)
for (const name of files) writeBlock(join(standing, name))
for (let i = 0; i < ENTRIES; i++) createEmpty(join(large, nameOf(i)))

process.on('message', (name: string) => {
  try {
    process.send?.({ figure: questions[name]() })
  } catch (error) {
    process.send?.({ error: String((error as Error).stack) })
  }
})
process.on('disconnect', () => process.exit())
process.send?.({ names: Object.keys(questions) })
