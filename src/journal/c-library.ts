/**
 * koffi, the way to the C library, loaded at its first use: it takes milliseconds, and a thread that Node ends while it is in
 * native code of koffi ends the process. So a thread loads it when it has something to call, not with its modules.
 */
import { createRequire } from 'node:module'
import type Koffi from 'koffi'

let loaded: typeof Koffi | undefined

export function koffi(): typeof Koffi {
  loaded ??= createRequire(import.meta.url)('koffi') as typeof Koffi
  return loaded
}
