/** The process ends at any host call, another one goes on, and the power goes some time later. */
import { sweep } from './sweep.ts'

sweep('the next process finds everything that was acknowledged', () => ({ code: undefined }), { stride: 6 })
sweep(
  'the power goes at a call of the next process',
  (_n, random) => ({ code: undefined, cutAfterCalls: 1 + Math.floor(random() * 60) }),
  { stride: 3 },
)
sweep('the power goes when something was said to be durable', n => ({ code: undefined, cutAfterSteps: 1 + (n % 2) }), {
  stride: 6,
})
