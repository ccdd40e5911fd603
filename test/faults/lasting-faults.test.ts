/** All calls from one on fail, for a while: the answers stay right meanwhile, and when it is over everything works again. */
import test from 'ava'
import { CHANGING_CALLS } from '../support/failing-storage.ts'
import { sweep } from './sweep.ts'

test('a disk that is full until somebody makes room: the store becomes writable again by itself', t =>
  sweep(t, () => ({ code: 'ENOSPC', kinds: ['write', 'open', 'allocate', 'mkdir', 'copyRange'], persists: true }), {
    stride: 3,
  }))

test('a medium that takes nothing for a while', t =>
  sweep(t, () => ({ code: 'EIO', kinds: CHANGING_CALLS, persists: true }), { stride: 5 }))

test('a medium that is away for a while', t => sweep(t, () => ({ code: 'EIO', persists: true }), { stride: 5 }))
