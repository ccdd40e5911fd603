/** The programs in examples/ run as they stand, against the built package. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { canMount, cleanUp, command, isMounted, type Result, scratch } from './fuse/harness.ts'
import { PROJECT } from './support/modules.ts'

const EXAMPLES = join(PROJECT, 'examples')

test.after.always(cleanUp)

function example(name: string, ...argv: string[]): Promise<Result> {
  return command(process.execPath, ['--import=tsx', join(EXAMPLES, name), ...argv])
}

const embedded = [
  'one record: green',
  'directory: photos/2023/',
  'directory: photos/2024/',
  'record: photos/index = 3',
  'added: true 4',
  'added again: false undefined',
  'moved: true',
  'archived: archive/2024/alps.jpg',
  'archived: archive/2024/lake.jpg',
  'archived: archive/2024/peak.jpg',
  'left in its place: nothing',
  '',
].join('\n')

test('embedded.ts, in memory', async t => {
  t.deepEqual(await example('embedded.ts'), { code: 0, out: embedded, err: '' })
})

test('embedded.ts, in a directory', async t => {
  const store = join(scratch('example'), 'store')
  t.deepEqual(await example('embedded.ts', store), { code: 0, out: embedded, err: '' })
})

test('shared-threads.ts loses no increment, also on a store that exists', async t => {
  const store = join(scratch('example'), 'store')
  for (let run = 0; run < 2; run++) {
    const { code, out, err } = await example('shared-threads.ts', store)
    t.deepEqual({ code, err }, { code: 0, err: '' })
    t.regex(out, /^counter: 600 of 600\nthreads that wrote: 3\n/)
  }
})

const testMount = canMount ? test.serial : test.serial.skip

testMount('mount-and-list.sh leaves a clean store and no mount', async t => {
  const directory = scratch('example')
  const mountpoint = join(directory, 'mnt')
  const store = join(directory, 'store')
  mkdirSync(mountpoint)
  const { code, out, err } = await command(join(EXAMPLES, 'mount-and-list.sh'), [store, mountpoint])
  t.deepEqual({ code, err }, { code: 0, err: '' })
  t.true(out.includes(`${mountpoint}/post/2024:\nfirst\n`))
  t.true(out.includes('Dear reader\n'))
  t.true(out.includes(`${store}: clean (`))
  t.false(isMounted(mountpoint))
})
