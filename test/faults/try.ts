import { SCENARIOS } from './scenarios.ts'
import { expectationOf, runWithFault } from './run.ts'
for (const s of SCENARIOS) {
  if (process.argv[2] && s.name !== process.argv[2]) continue
  const t = performance.now()
  const e = expectationOf(s, process.argv[6] === 'mapped')
  console.log(s.name, e.calls, 'calls', Math.round(performance.now() - t), 'ms')
  const code = process.argv[3] === 'KILL' ? undefined : process.argv[3] ?? 'EIO'
  const t2 = performance.now()
  let bad = 0
  let runs = 0, reopened = 0
  const from = Number(process.argv[4] ?? 1), step = Number(process.argv[5] ?? 10)
  const seen = new Map<string, number>()
  for (let n = from; ; n += step) {
    const o = runWithFault(e, { code, persists: process.env.PERSIST === '1', ...(process.env.CUT && { cutAfterSteps: Number(process.env.CUT) }), ...(process.env.CALLS && { cutAfterCalls: 1 + (n * 7) % Number(process.env.CALLS) }) }, n)
    runs++
    reopened += o.reopened
    for (const p of o.problems) { bad++; const k = p.split('\n').slice(0, process.env.LONG ? 8 : 2).join(' | ').slice(0, 400); if (!seen.has(k)) console.log('n', n, k); seen.set(k, 1) }
    if (!o.hasFailed || bad > 12) break
  }
  console.log(s.name, runs, 'runs', bad, 'bad', reopened, 'reopened', Math.round((performance.now() - t2) / runs), 'ms each')
  e.dispose()
}
