/**
 * One host call fails, each in turn: the caller is told, nothing that was acknowledged is lost, nothing that was refused is
 * there, and the store goes on or can be opened again.
 */
import test from 'ava'
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

test('EIO at every call', t => sweep(t, () => ({ code: 'EIO' }), { stride: 1 }))

test('EIO at calls of a store whose log is mapped', t =>
  sweep(t, () => ({ code: 'EIO' }), { stride: 4, isMapped: true }))

test('ENOSPC, the log mapped', t => sweep(t, () => ({ code: 'ENOSPC', kinds: SPACE }), { stride: 2, isMapped: true }))

test('EDQUOT', t => sweep(t, () => ({ code: 'EDQUOT', kinds: SPACE }), { stride: 2 }))

test('EMFILE when a file is opened', t => sweep(t, () => ({ code: 'EMFILE', kinds: ['open'] }), { stride: 1 }))

for (const code of ['EIO', 'ENOSPC', 'EDQUOT']) {
  test(`a sync that fails with ${code} is not believed when it succeeds later: a power cut shows`, t =>
    sweep(t, n => ({ code, kinds: ['datasync', 'syncDirectory'], cutAfterSteps: 1 + (n % 2) }), { stride: 1 }))
}
