/** What a FUSE worker thread needs of a mounted store, and how it makes its own filesystem object of it. */
import { join } from 'node:path'
import { attachStore, type StoreHandle } from '../engine/attach.ts'
import type { Tree } from '../engine/tree.ts'
import { hostStorage } from '../journal/storage.ts'
import { DataFiles } from './data-files.ts'
import { FileSystem } from './filesystem.ts'
import type { Operations } from './operations.ts'
import type { Connection } from './receipts.ts'
import { Reserve } from './reserve.ts'
import type { FsShared } from './shared.ts'

/** Posted to each worker. */
export interface FileSystemHandle {
  store: StoreHandle
  shared: FsShared
  /** Absolute path of the store. */
  directory: string
  readOnly: boolean
}

/** The filesystem of an open store, over the tree object of the calling thread. */
export function makeFileSystem(handle: FileSystemHandle, tree: Tree): FileSystem {
  const { shared, directory, readOnly } = handle
  const data = new DataFiles(hostStorage, join(directory, 'data'), shared, { readOnly })
  const options = { readOnly, statfsPath: directory }
  return new FileSystem(
    tree,
    data,
    shared,
    readOnly ? options : { ...options, reserve: new Reserve(hostStorage, directory, shared) },
  )
}

/** Called by each FUSE worker with the handle that the main thread posted; with a connection, changes leave receipts. */
export function attachOperations(handle: unknown, connection?: Connection): Operations {
  const given = handle as FileSystemHandle
  const filesystem = makeFileSystem(given, attachStore(given.store))
  if (connection !== undefined && !given.readOnly) filesystem.connect(connection)
  return filesystem
}
