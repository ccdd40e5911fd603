/** A sync fails, and later ones succeed: what the failed one lost is not taken for durable, and a power cut shows it. */
import { sweep } from './sweep.ts'

for (const code of ['EIO', 'ENOSPC']) {
  sweep(`${code}`, n => ({ code, kinds: ['datasync', 'syncDirectory'], cutAfterSteps: 1 + (n % 2) }), { stride: 1 })
}
