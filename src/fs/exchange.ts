/** Exchanges two directories in one step: at any moment each name has one of them (renameat2 with RENAME_EXCHANGE). */
import { renameSync } from 'node:fs'
import { koffi } from '../journal/c-library.ts'

const AT_FDCWD = -100
const RENAME_EXCHANGE = 2

/** Where the host cannot exchange, `a` is missing for a moment, and both are there under other names. Throws the host's error. */
export function exchange(a: string, b: string): void {
  const renameat2 = koffi().load(null).func('int renameat2(int, str, int, str, uint32_t)')
  if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) === 0) return
  const aside = `${b}.aside`
  renameSync(a, aside)
  try {
    renameSync(b, a)
  } catch (error) {
    renameSync(aside, a)
    throw error
  }
  renameSync(aside, b)
}
