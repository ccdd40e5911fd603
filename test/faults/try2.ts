import { SCENARIOS } from './scenarios.ts'
import { expectationOf, runWithFault } from './run.ts'
const e = expectationOf(SCENARIOS[3], false)
for (let n = 1; n < e.calls; n++) {
  // find manifest datasync
  const o = runWithFault(e, { code: undefined, cutAfterCalls: 1 }, n)
  if (!o.last.includes('datasync') || !o.last.includes('manifest')) continue
  console.log('n', n, o.last)
  for (let m = 1; m < 120; m++) {
    const p = runWithFault(e, { code: undefined, cutAfterCalls: m }, n)
    if (p.problems.length) { console.log(n, m, p.problems[0].slice(0, 300)); break }
  }
}
e.dispose()
