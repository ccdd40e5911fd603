/**
 * The process of one engine: opens it, fills it, and measures what its parent asks for. One process an engine, so that
 * no engine runs in code that was optimised for, or in a heap that was filled by, another one.
 */
import { CLOCKS } from './clock.ts'
import { Dataset } from './dataset.ts'
import { EngineLifecycle } from './engine-lifecycle.ts'
import type { Operation } from './engine-operations.ts'
import { ENGINES } from './stores/engines.ts'

/** Nanoseconds of the wall clock after which a measurement stops. */
const BUDGET = 100e6

const [engine, scratch, countText, clock] = process.argv.slice(2)
const now = CLOCKS[clock]
const dataset = new Dataset(Number(countText))
const lifecycle = new EngineLifecycle(engine, await ENGINES[engine](), dataset, scratch, now)
const { operations } = await lifecycle.start()

/** Returns nanoseconds a unit. */
async function measure({ step, unitsAStep = 1, chunk }: Operation): Promise<number> {
  lifecycle.operations.prepare()
  globalThis.gc?.()
  let steps = 0
  const end = CLOCKS.wall() + BUDGET
  const begin = now()
  for (;;) {
    for (let n = 0; n < chunk; n++) {
      const done = step()
      if (done !== undefined) await done
    }
    steps += chunk
    if (CLOCKS.wall() >= end) return (now() - begin) / (steps * unitsAStep)
  }
}

/** undefined where the engine has no such thing. */
async function answer(name: string): Promise<number | undefined> {
  if (name in operations) return measure(lifecycle.operations.operations[name])
  globalThis.gc?.()
  switch (name) {
    case 'load':
      return lifecycle.load()
    case 'loaded size':
      return lifecycle.loadedSize()
    case 'compacted size':
      return lifecycle.compactedSize()
    case 'reopen':
      return lifecycle.reopen()
    case 'reopen killed':
      return lifecycle.reopenKilled()
    case 'cold get':
      return lifecycle.coldGet()
    case 'finish':
      return lifecycle.finish()
    default:
      throw new Error(`unknown question: ${name}`)
  }
}

process.on('message', (name: string) => {
  answer(name).then(
    figure => process.send?.({ figure: figure ?? null }),
    error => process.send?.({ error: String(error?.stack ?? error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ names: Object.keys(operations) })
