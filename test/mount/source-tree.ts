/**
 * A tree of real files on the host to copy from: files of this machine (system libraries, documentation, packages), and
 * some of each kind that such directories lack.
 */
import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT } from '../support/modules.ts'
import { sh } from './real-mount.ts'

/** Bytes above which a file is left out: a few huge ones would only take time. */
const MAX_BYTES = 8 << 20
const ROOTS = [join(PROJECT, 'node_modules'), '/usr/lib', '/usr/share']

/** Modes, owners, times, links, names and sizes at the edges: what a directory called `rare` is filled with. */
const RARE_KINDS = String.raw`
  touch empty; printf x > one
  for n in 8191 8192 8193 131072 1048577; do head -c $n /dev/urandom > bytes-$n; done
  truncate -s 3M sparse; printf end | dd of=sparse bs=1 seek=2000000 conv=notrunc status=none
  for mode in 0000 0001 0444 0755 1777 2755 4755 6711 7777; do touch mode-$mode; chmod $mode mode-$mode; done
  mkdir sticky setgid; chmod 1777 sticky; chmod 2775 setgid; mkdir -p empty-directory deep/a/b/c/d/e/f/g/h
  touch owned; chown 12345:54321 owned; touch nobody; chown 3000000000:4294967294 nobody
  ln one hard-1; ln one deep/a/b/hard-2; ln empty deep/hard-empty
  ln -s one link; ln -s /absent/target dangling; ln -s . loop; ln -s "$(printf 'x%.0s' $(seq 4000))" long-target
  mkfifo pipe; mknod null c 1 3
  touch "$(printf 'n%.0s' $(seq 255))" $'not \xff\xfe utf-8' $'new\nline' ' space ' ./-dash 'ünïcode' '*'
  touch -d '1969-12-31 23:59:58.123456789 UTC' before-1970
  touch -d '1901-12-14 00:00:00.000000001 UTC' before-1902
  touch -d '2038-01-19 03:14:08.999999999 UTC' after-2038
  touch -d '2262-04-11 23:47:16.854775807 UTC' far
  touch -d '2001-02-03 04:05:06.000000007 UTC' deep/a`

/** Fills `directory` (to be made) with `files` real files or symbolic links, evenly from the roots, and the rare kinds. */
export async function makeSourceTree(directory: string, files: number): Promise<void> {
  const list: string[] = []
  ROOTS.forEach((root, i) => {
    const most = list.length + Math.ceil((files - list.length) / (ROOTS.length - i))
    collect(root, most, list)
  })
  mkdirSync(join(directory, 'rare'), { recursive: true })
  const names = `${directory}.names`
  writeFileSync(names, Buffer.from(list.map(path => `${path.slice(1)}\0`).join(''), 'latin1'))
  await sh(`tar -C / --null --files-from='${names}' --format=posix -cf - | tar -xpf -`, directory)
  await sh(RARE_KINDS, join(directory, 'rare'))
}

/** Depth first, in order of names, until `list` holds `most`. */
function collect(directory: string, most: number, list: string[]): void {
  const entries = readdirSync(Buffer.from(directory, 'latin1'), { withFileTypes: true, encoding: 'latin1' })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (list.length >= most) return
    const path = `${directory}/${entry.name}`
    if (entry.isDirectory()) collect(path, most, list)
    else if (entry.isSymbolicLink() || (entry.isFile() && lstatSync(Buffer.from(path, 'latin1')).size <= MAX_BYTES))
      list.push(path)
  }
}
