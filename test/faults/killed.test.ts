/** The process ends at any host call, another one goes on, and the power goes some time later. */
import test from 'ava'
import { sweep } from './sweep.ts'

test('killed at a call: the next process finds everything that was acknowledged', t =>
  sweep(t, () => ({ code: undefined }), { stride: 4 }))

test('killed at a call, and the power goes at a call of the next process', t =>
  sweep(t, (_n, random) => ({ code: undefined, cutAfterCalls: 1 + Math.floor(random() * 60) }), { stride: 2 }))

test('killed at a call, and the power goes when something was said to be durable', t =>
  sweep(t, n => ({ code: undefined, cutAfterSteps: 1 + (n % 2) }), { stride: 4 }))
