/** `mount` of the package: store and mount point are enough, and what cannot be is refused before anything is made. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import anyTest from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, RealMount, run, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

const program = (options: object) => `
  import { mount } from ${JSON.stringify(join(PROJECT, 'dist/index.js'))}
  await mount({ ...${JSON.stringify(options)}, onReady: () => console.log('ready') })
  console.log('ended')`

test('a program serves a store until somebody unmounts it', async t => {
  const { directory, store, path } = new RealMount('embedded')
  const options = { store: relative(directory, store), mountpoint: relative(directory, path) }
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(options)], { cwd: directory })
  let out = ''
  const ended = new Promise<number | null>(resolve => void child.on('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', text => {
      out += text
      if (out === 'ready\n') resolve()
    })
    child.stderr.on('data', text => reject(new Error(String(text))))
  })
  t.is(await sh('echo text > file && cat file', path), 'text\n')
  t.regex(await sh('findmnt -no SOURCE,FSTYPE "$PWD"', path), new RegExp(`^${store} +fuse\\.holtfs\n$`))
  await sh(`umount '${path}'`, directory)
  t.is(await ended, 0)
  t.is(out, 'ready\nended\n')
})

test('options that cannot be', async t => {
  const { directory, store, path: mountpoint } = new RealMount('embedded')
  for (const [options, message] of [
    [{ store }, /give the paths/],
    [{ mountpoint }, /give the paths/],
    [{ store, mountpoint, workers: 0 }, /workers is 0: give a whole number from 1 to 64/],
    [{ store, mountpoint, durability: 'sycn' }, /durability is sycn/],
  ] as const) {
    const { code, out, err } = await run(process.execPath, ['--input-type=module', '-e', program(options)], directory)
    t.deepEqual({ code, out }, { code: 1, out: '' })
    t.regex(err, message)
    t.regex(err, /HOLT_INVALID/)
    t.false(existsSync(store))
  }
})
