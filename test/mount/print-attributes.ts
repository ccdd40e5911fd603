/** Prints a directory's tree as JSON: path → attributes and, of a file or symbolic link, its bytes (latin1). A child process. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type Statx, statx } from '../support/statx.ts'
import { AT_SYMLINK_NOFOLLOW } from '../support/syscalls.ts'

export interface PrintedAttributes {
  ino: string
  mode: number
  nlink: number
  size: string
  mtime: string
  ctime: string
  content: string | null
}

const tree: Record<string, PrintedAttributes> = {}
process.chdir(process.argv[2])
visit('.')
process.stdout.write(JSON.stringify(tree))

function visit(path: string): void {
  const { ino, mode, nlink, size, mtime, ctime } = statx(path, AT_SYMLINK_NOFOLLOW) as Statx
  const type = mode & 0o170000
  let content: string | null = null
  if (type === 0o100000) content = readFileSync(path, 'latin1')
  if (type === 0o120000) content = readlinkSync(path)
  tree[path] = { ino: `${ino}`, mode, nlink, size: `${size}`, mtime: `${mtime}`, ctime: `${ctime}`, content }
  if (type === 0o040000) for (const name of readdirSync(path).sort()) visit(`${path}/${name}`)
}
