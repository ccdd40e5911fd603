/** Prints a directory's tree as JSON: path → bytes of the file (latin1), or null for a directory. Run as a child process. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const tree: Record<string, string | null> = {}
visit('')
process.stdout.write(JSON.stringify(tree))

function visit(path: string): void {
  for (const entry of readdirSync(join(process.argv[2], path), { withFileTypes: true })) {
    const name = path === '' ? entry.name : `${path}/${entry.name}`
    tree[name] = entry.isDirectory() ? null : readFileSync(join(process.argv[2], name), 'latin1')
    if (entry.isDirectory()) visit(name)
  }
}
