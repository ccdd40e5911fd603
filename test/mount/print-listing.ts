/**
 * Prints what stat(2) says about every file below a directory, one line a name, sorted: the other half of `diff -r`.
 * Run as a child process: `print-listing.ts DIRECTORY [--hash]`. Bytes of names are printed as they are.
 */
import { createHash } from 'node:crypto'
import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'

const [, , root, option] = process.argv
const withHash = option === '--hash'
const chunk = Buffer.alloc(1 << 20)
/** Inode number → first name that had it. */
const firstName = new Map<bigint, string>()
const lines: string[] = []

visit(Buffer.from(root), '.')
process.stdout.write(Buffer.from(lines.map(line => `${line}\n`).join(''), 'latin1'))

function visit(path: Buffer, name: string): void {
  const stat = lstatSync(path, { bigint: true })
  lines.push(`${name} ${describe(path, name, stat)}`)
  if (!stat.isDirectory()) return
  const names = readdirSync(path, { encoding: 'buffer' }).map(entry => entry.toString('latin1'))
  for (const entry of names.sort()) {
    visit(Buffer.concat([path, Buffer.from('/'), Buffer.from(entry, 'latin1')]), `${name}/${entry}`)
  }
}

function describe(path: Buffer, name: string, stat: BigIntStats): string {
  const fields = [`mode=${stat.mode.toString(8)}`, `owner=${stat.uid}:${stat.gid}`]
  // Directories have a size and a link count of their filesystem's making.
  if (stat.isDirectory()) return withHash ? fields.join(' ') : [...fields, `mtime=${stat.mtimeNs}`].join(' ')
  if (!withHash) fields.push(`mtime=${stat.mtimeNs}`)
  fields.push(`size=${stat.size}`, `nlink=${stat.nlink}`, `rdev=${stat.rdev}`)
  if (stat.isSymbolicLink()) fields.push(`target=${readlinkSync(path, 'buffer').toString('latin1')}`)
  if (stat.nlink > 1n) {
    if (!firstName.has(stat.ino)) firstName.set(stat.ino, name)
    fields.push(`same=${firstName.get(stat.ino)}`)
  }
  if (withHash && stat.isFile()) fields.push(`sha256=${hash(path)}`)
  return fields.join(' ')
}

function hash(path: Buffer): string {
  const sum = createHash('sha256')
  const fd = openSync(path, 'r')
  for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk)) sum.update(chunk.subarray(0, n))
  closeSync(fd)
  return sum.digest('hex')
}
