/**
 * Gives a repaired store the data files of the damaged one: copies, which share their blocks where the host can do that, so that
 * each has its own from then on; or, when the damaged store goes anyway, the files themselves, under a second name until
 * then. Holes stay holes.
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import type { Storage } from '../journal/storage.ts'
import { isUnsupported } from './errno.ts'
import type { RepairHost } from './repair-host.ts'

/** Bytes copied at a time where the host does not copy by itself. */
const PIECE = 1 << 20

/**
 * Fills `to`, which does not exist yet, durably. `link`: the files in `from` will be removed. `report` is told how many
 * files are done. Throws the host's error.
 */
export function takeDataFiles(
  host: RepairHost,
  from: string,
  to: string,
  link: boolean,
  report: (files: number) => void,
): void {
  const { storage } = host
  const folders = storage.list(from).filter(name => host.isDirectory(join(from, name)))
  if (folders.length === 0) return
  storage.mkdir(to)
  let files = 0
  for (const folder of folders) {
    const target = join(to, folder)
    storage.mkdir(target)
    for (const name of storage.list(join(from, folder))) {
      const file = join(from, folder, name)
      if (!host.isFile(file)) continue
      if (!link || !attempt(() => host.link(file, join(target, name)))) copyFile(host, file, join(target, name))
      report(++files)
    }
    storage.syncDirectory(target)
  }
  storage.syncDirectory(to)
}

function copyFile(host: RepairHost, from: string, to: string): void {
  const { storage } = host
  // Where the host cannot share blocks, the bytes are copied below.
  attempt(() => host.clone(from, to))
  const target = storage.open(to, constants.O_RDWR | constants.O_CREAT)
  try {
    const source = storage.open(from, constants.O_RDONLY)
    try {
      if (storage.size(target) !== storage.size(source)) copyData(storage, source, target)
    } finally {
      storage.close(source)
    }
    storage.datasync(target)
  } finally {
    storage.close(target)
  }
}

function copyData(storage: Storage, source: number, target: number): void {
  const size = storage.size(source)
  for (let at = storage.seek(source, 0, false); at >= 0 && at < size; ) {
    const hole = storage.seek(source, at, true)
    const end = hole < 0 ? size : hole
    while (at < end) at += copyPiece(storage, source, target, at, end - at)
    at = storage.seek(source, end, false)
  }
  storage.truncate(target, size)
}

function copyPiece(storage: Storage, source: number, target: number, at: number, length: number): number {
  try {
    const copied = storage.copyRange(source, at, target, at, length)
    if (copied > 0) return copied
  } catch (error) {
    if (!isUnsupported(error)) throw error
  }
  const piece = new Uint8Array(Math.min(PIECE, length))
  const got = storage.read(source, piece, 0, piece.length, at)
  if (got === 0) return length
  storage.write(target, piece, 0, got, at)
  return got
}

function attempt(step: () => void): boolean {
  try {
    step()
    return true
  } catch {
    return false
  }
}
