/** A program that is given on the command line, where `node` has options that no module may have, gets its background thread. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { PROJECT } from '../support/modules.ts'
import { emptyDirectory } from './store-fixture.ts'

const library = JSON.stringify(join(PROJECT, 'dist/index.js'))

for (const type of [
  [],
  ['--input-type=module'],
  ['--input-type', 'module'],
  ['--expose-gc', '--max-old-space-size=500'],
]) {
  test(`what node ${type.join(' ')} -e puts is durable soon`, t => {
    const program = `import(${library}).then(({ openTree }) => {
      const tree = openTree(${JSON.stringify(emptyDirectory(t))})
      tree.put('key', 'value')
      const end = Date.now() + 60_000
      const timer = setInterval(() => {
        if (tree.durableSeq() < 1 && Date.now() < end) return
        clearInterval(timer)
        console.log(tree.durableSeq())
        tree.close()
      }, 50)
    })`
    const { status, stdout, stderr } = spawnSync(process.execPath, [...type, '-e', program], { encoding: 'utf8' })
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '1\n', stderr: '' })
  })
}
