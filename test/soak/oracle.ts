/** What a client of the soak believes its files to be, as JSON, and the comparison with what there is. */
import * as fs from 'node:fs'
import { getxattr, listxattr } from '../support/syscalls.ts'

export type Oracle =
  | { kind: 'link'; target: string }
  /** Bytes as latin1. `names`: hard links. */
  | { kind: 'file'; bytes: string; mode: number; names: number; xattrs: Record<string, string> }
  | { kind: 'directory'; children: Record<string, Oracle> }

/** Lines that say what at `path` is not as it should be, everything below it too; the host's errors are thrown. */
export function differences(path: string, expected: Oracle): string[] {
  const stats = fs.lstatSync(path)
  const kind = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'file'
  if (kind !== expected.kind) return [`${path} is a ${kind}, not a ${expected.kind}`]
  const found: string[] = []
  const compare = (what: string, is: unknown, should: unknown) => {
    if (is !== should) found.push(`${path}: ${what} ${is}, not ${should}`)
  }
  if (expected.kind === 'link') compare('leads to', fs.readlinkSync(path), expected.target)
  if (expected.kind === 'file') {
    compare('mode', stats.mode & 0o7777, expected.mode)
    compare('links', stats.nlink, expected.names)
    compare('size', stats.size, expected.bytes.length)
    if (fs.readFileSync(path).toString('latin1') !== expected.bytes) found.push(`${path}: its bytes differ`)
    const names = listxattr(path)
    compare(
      'attributes',
      String(Array.isArray(names) ? names.sort() : names),
      String(Object.keys(expected.xattrs).sort()),
    )
    for (const [name, value] of Object.entries(expected.xattrs)) compare(name, String(getxattr(path, name)), value)
  }
  if (expected.kind === 'directory') {
    const { children } = expected
    compare('names', String(fs.readdirSync(path).sort()), String(Object.keys(children).sort()))
    for (const [name, child] of Object.entries(children)) {
      if (fs.existsSync(`${path}/${name}`) || child.kind === 'link')
        found.push(...differences(`${path}/${name}`, child))
    }
  }
  return found
}
