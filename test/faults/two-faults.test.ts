/** A second call fails soon after the first one: while the first failure is dealt with, or in what is tried next. */
import { sweep } from './sweep.ts'

sweep(
  'two calls',
  (_n, random) => ({
    code: random() < 0.5 ? 'EIO' : 'ENOSPC',
    again: 1 + Math.floor(random() * (random() < 0.7 ? 4 : 40)),
  }),
  { stride: 5 },
)
