/**
 * What stands in a directory of a store by its name: only files, directories and sockets that are nobody else's, and no links.
 * Looked at before anything is opened: later opens follow links in the middle of a path, and programs wait for FIFOs.
 */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { foreignFile, isOwn, kindOf, refuseForeign } from '../journal/own-file.ts'

/**
 * Returns the directories in `directory`, with their stats.
 * @throws HoltError HOLT_FOREIGN_FILE for the first entry that a store cannot have made; the host's error
 */
export function checkEntries(directory: string): Map<string, Stats> {
  const directories = new Map<string, Stats>()
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const stats = lstatSync(path)
    if (stats.isDirectory()) {
      if (!isOwn(stats.uid) && stats.uid !== statSync(directory).uid) {
        throw foreignFile(`${path} belongs to user ${stats.uid}: remove it, or give it to the store's owner`)
      }
      directories.set(path, stats)
    } else if (stats.isSymbolicLink()) {
      throw foreignFile(`${path} is ${kindOf(stats)}: a store is used only without links inside`)
    } else if (!stats.isSocket()) {
      refuseForeign(path, stats)
    }
  }
  return directories
}
