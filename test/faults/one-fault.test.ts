/**
 * One host call fails, each in turn: the caller is told, nothing that was acknowledged is lost, nothing that was refused is
 * there, and the store goes on or can be opened again.
 */
import type { StorageCall } from '../support/failing-storage.ts'
import { sweep } from './sweep.ts'

const SPACE: readonly StorageCall[] = [
  'write',
  'open',
  'truncate',
  'allocate',
  'copyRange',
  'mkdir',
  'rename',
  'datasync',
]

sweep('EIO', () => ({ code: 'EIO' }), { stride: 4 })
sweep('EIO, the log mapped', () => ({ code: 'EIO' }), { stride: 10, isMapped: true })
sweep('ENOSPC, the log mapped', () => ({ code: 'ENOSPC', kinds: SPACE }), { stride: 6, isMapped: true })
sweep('EDQUOT', () => ({ code: 'EDQUOT', kinds: SPACE }), { stride: 6 })
sweep('EMFILE when a file is opened', () => ({ code: 'EMFILE', kinds: ['open'] }), { stride: 4 })
