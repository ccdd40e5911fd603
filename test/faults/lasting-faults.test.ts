/** All calls from one on fail, for a while: the answers stay right meanwhile, and when it is over everything works again. */
import { CHANGING_CALLS, type StorageCall } from '../support/failing-storage.ts'
import { sweep } from './sweep.ts'

const SPACE: readonly StorageCall[] = ['write', 'open', 'allocate', 'mkdir', 'copyRange']

sweep('a disk that is full until somebody makes room', () => ({ code: 'ENOSPC', kinds: SPACE, persists: true }), {
  stride: 4,
})
sweep('a medium that takes nothing for a while', () => ({ code: 'EIO', kinds: CHANGING_CALLS, persists: true }), {
  stride: 8,
})
sweep('a medium that is away for a while', () => ({ code: 'EIO', persists: true }), { stride: 8 })
