/**
 * What a repair asks of the host beside the files of stores: whole directories change their names, and files are copied and
 * linked. A test puts a stand-in here, as it does for the storage.
 */
import { constants, copyFileSync, linkSync, lstatSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { hostStorage, type Storage } from '../journal/storage.ts'
import { exchange } from './exchange.ts'

/** All calls throw the host's error. `rename` of the storage also takes directories. */
export interface RepairHost {
  readonly storage: Storage
  /** Whether there is a directory of that name, and not a link to one. */
  isDirectory(path: string): boolean
  isFile(path: string): boolean
  /** Removes an empty directory. */
  removeDirectory(path: string): void
  exchange(a: string, b: string): void
  link(from: string, to: string): void
  /** Makes the file `to`, which shares its blocks with `from`. Where it throws, there may be an empty file. */
  clone(from: string, to: string): void
}

export const repairHost: RepairHost = {
  storage: hostStorage,
  isDirectory: path => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
  isFile: path => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true,
  removeDirectory: rmdirSync,
  exchange,
  link: linkSync,
  clone: (from, to) => copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE),
}

/** Removes a directory with all that is in it; `last`, if it is there, as the last of all, after the rest is gone for good. */
export function removeTree(host: RepairHost, path: string, last = ''): void {
  const { storage } = host
  const names = storage.list(path)
  for (const name of names) {
    if (name === last) continue
    const entry = join(path, name)
    if (host.isDirectory(entry)) removeTree(host, entry)
    else storage.unlink(entry)
  }
  if (names.includes(last)) {
    storage.syncDirectory(path)
    storage.unlink(join(path, last))
  }
  host.removeDirectory(path)
}
