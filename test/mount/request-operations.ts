/**
 * The child process that works on a mount for requests.test.ts: `request-operations.ts DIRECTORY`. Carries out the
 * operation that each message names, and answers when it is done. Operations keep nothing open.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'

const FILES = 1000
const BLOCK = Buffer.alloc(4096, 'holt')
const root = process.argv[2]
const at = (...names: string[]) => join(root, ...names)
const nameOf = (i: number) => `file-${String(i).padStart(4, '0')}`
const sh = (script: string) => execFileSync('/bin/bash', ['-ec', script, root], { stdio: 'pipe' })

/** Reads with the sizes that cat takes. */
function cat(path: string): void {
  const fd = fs.openSync(path, 'r')
  const bytes = Buffer.alloc(131072)
  while (fs.readSync(fd, bytes) > 0);
  fs.closeSync(fd)
}

function write(path: string, bytes: Buffer, flags: string): void {
  const fd = fs.openSync(path, flags)
  fs.writeSync(fd, bytes)
  fs.closeSync(fd)
}

const operations: Record<string, () => void> = {
  prepare() {
    for (const directory of ['large', 'other', 'small']) fs.mkdirSync(at(directory))
    for (let i = 0; i < FILES; i++) fs.closeSync(fs.openSync(at('large', nameOf(i)), 'wx'))
    for (let i = 0; i < 3; i++) write(at('small', nameOf(i)), BLOCK, 'wx')
    fs.linkSync(at('small', nameOf(0)), at('small', 'hard'))
    fs.symlinkSync(nameOf(0), at('small', 'symbolic'))
    // So that the kernel has heard that opening needs no request.
    fs.readdirSync(root)
    cat(at('small', nameOf(2)))
    write(at('megabyte'), Buffer.alloc(1 << 20, 'm'), 'wx')
  },
  'look at the root': () => fs.statSync(root),
  'stat of a file': () => fs.statSync(at('small', nameOf(1))),
  'stat of a missing name': () => fs.statSync(at('small', 'missing'), { throwIfNoEntry: false }),
  'list a directory': () => fs.readdirSync(at('large')),
  'ls -l of 1,000 files': () => sh('ls -l "$0"/large'),
  'list 1,000 files, then stat each': () =>
    sh(`python3 -c 'import os, sys; os.chdir(sys.argv[1]); [os.lstat(name) for name in os.listdir(".")]' "$0"/large`),
  'open and close': () => fs.closeSync(fs.openSync(at('small', nameOf(1)), 'r')),
  'read a file of 4 KB': () => cat(at('small', nameOf(1))),
  'read a file of 1 MB': () => cat(at('megabyte')),
  readlink: () => fs.readlinkSync(at('small', 'symbolic')),
  'create and close': () => fs.closeSync(fs.openSync(at('other', 'created'), 'wx')),
  'create, write 4 KB, close': () => write(at('other', 'written'), BLOCK, 'wx'),
  'create, write 4 MB, close': () => write(at('other', 'large'), Buffer.alloc(4 << 20, 'l'), 'wx'),
  'overwrite a file of 4 KB': () => write(at('other', 'written'), BLOCK, 'w'),
  'stat after a write': () => fs.statSync(at('other', 'written')),
  chmod: () => fs.chmodSync(at('other', 'written'), 0o600),
  utimens: () => fs.utimesSync(at('other', 'written'), 1, 2),
  mkdir: () => fs.mkdirSync(at('other', 'directory')),
  symlink: () => fs.symlinkSync('target', at('other', 'symlink')),
  link: () => fs.linkSync(at('other', 'written'), at('other', 'linked')),
  rename: () => fs.renameSync(at('other', 'written'), at('other', 'renamed')),
  'rename over a file': () => fs.renameSync(at('other', 'renamed'), at('other', 'created')),
  unlink: () => fs.unlinkSync(at('other', 'created')),
  rmdir: () => fs.rmdirSync(at('other', 'directory')),
  fsync: () => {
    const fd = fs.openSync(at('small', nameOf(2)), 'r')
    fs.fsyncSync(fd)
    fs.closeSync(fd)
  },
}

process.on('message', (name: string) => {
  operations[name]()
  process.send?.('done')
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
