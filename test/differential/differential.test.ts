/**
 * Every script in `scripts/` sees the same on a mount of ours as on a plain directory of this machine: ext4 on a loop device, or
 * tmpfs where that cannot be had. What is meant to differ stands in the script with its reason, and must differ.
 * There are two mounts, of one worker and of four. HOLTFS_WORKERS makes it one mount of so many, HOLTFS_PLAIN is another
 * directory to compare with.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import anyTest, { type ExecutionContext } from 'ava'
import { canMount, cleanUp, program, RealMount, succeed } from '../mount/real-mount.ts'
import { PlainDirectory } from './plain-directory.ts'
import type { Difference, Outcome } from './scene.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
const SCRIPTS = fileURLToPath(new URL('./scripts', import.meta.url))

const WORKERS = process.env.HOLTFS_WORKERS?.split(' ') ?? ['1', '4']

const mounts: RealMount[] = []
let plain: PlainDirectory

anyTest.before(async t => {
  if (!canMount) return

  for (const workers of WORKERS) {
    const mount = new RealMount(`differential ${workers}`)
    await mount.mount('--workers', workers)
    mounts.push(mount)
  }
  plain = await PlainDirectory.make(mounts[0].directory)
  t.log(`compared with ${plain.kind}`)
})
anyTest.after.always(async () => {
  await plain?.remove()
  await cleanUp()
})

for (const file of readdirSync(SCRIPTS).sort()) {
  if (!/\.[jt]s$/.test(file)) continue
  test(file.slice(0, -3), async t => {
    const argv = program(
      '../differential/run-script',
      join(SCRIPTS, file),
      plain.path,
      ...mounts.map(each => each.path),
    )
    const { outcomes, differences } = JSON.parse(await succeed(...argv))
    for (const [i, workers] of WORKERS.entries()) {
      compare(t, outcomes[0], outcomes[1 + i], differences, `${workers} workers`)
    }
  })
}

test('and the store is sound afterwards', async t => {
  for (const mount of mounts) {
    await mount.umount()
    await mount.check()
  }
  t.pass()
})

function compare(
  t: ExecutionContext,
  plainly: Outcome[],
  ours: Outcome[],
  differences: Difference[],
  who: string,
): void {
  t.true(plainly.length > 0)
  t.is(new Set(plainly.map(([step]) => step)).size, plainly.length, 'every step has a name of its own')
  const expected = new Map(plainly)
  for (const { step, holtfs } of differences) {
    t.true(expected.has(step), `there is a step ${step}`)
    t.notDeepEqual(expected.get(step), holtfs, `${step} does differ`)
    expected.set(step, holtfs)
  }
  t.deepEqual(
    ours.map(([step]) => step),
    plainly.map(([step]) => step),
    `${who}: the same steps`,
  )
  // Only what differs, so that a failure shows no more than that.
  const differing = ours.filter(([step, outcome]) => !isDeepStrictEqual(outcome, expected.get(step)))
  t.deepEqual(
    differing,
    differing.map(([step]) => [step, expected.get(step)]),
    who,
  )
}
