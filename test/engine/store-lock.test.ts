/** Two writers on one store: the second is refused at once, whatever became of the lock file or of the first. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { HoltError, openStore } from '../../src/index.ts'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { emptyDirectory, SMALL, withStore } from './store-fixture.ts'

const INDEX = pathToFileURL(pathOf(import.meta.url, '../../src/index')).href

function script(directory: string, rest: string): string[] {
  const open = `openTree(${JSON.stringify(directory)}, { poolBytes: 0, background: false })`
  const code = `import { openTree } from ${JSON.stringify(INDEX)}; try { const tree = ${open}; ${rest} } catch (e) { console.log(e.code, e.message) }`
  return [...NODE_ARGUMENTS, '--input-type=module', '-e', code]
}

/** What another process says when it opens the store. */
function openElsewhere(directory: string): string {
  return spawnSync(process.execPath, script(directory, "console.log('opened'); tree.close()"), { encoding: 'utf8' })
    .stdout
}

/** A process that holds the store and writes one record. */
async function holder(t: ExecutionContext, directory: string): Promise<ChildProcess> {
  const rest = "tree.put('held', 'by a child'); console.log('holds'); setInterval(() => {}, 1000)"
  const child = spawn(process.execPath, script(directory, rest), { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = (await once(child.stdout!, 'data')) as [Buffer]
  t.is(said.toString(), 'holds\n')
  return child
}

function refusal(t: ExecutionContext, directory: string): string {
  const error = t.throws(() => openStore(directory, SMALL), { instanceOf: HoltError, code: 'HOLT_LOCKED' })
  return error?.message ?? ''
}

test('a second open is refused and names the process that holds the store', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, ({ tree }) => {
    tree.put('key', 'value')
    t.regex(refusal(t, directory), new RegExp(`process ${process.pid}\\b`))
    t.regex(openElsewhere(directory), new RegExp(`^HOLT_LOCKED .*process ${process.pid}\\b`))
    t.throws(() => openStore(directory, { ...SMALL, readOnly: true }), { code: 'HOLT_LOCKED' })
    t.is(tree.get('key')?.toString(), 'value')
    tree.put('key', 'other')
  })
  t.is(openElsewhere(directory), 'opened\n')
  withStore(directory, SMALL, ({ tree }) => t.is(tree.get('key')?.toString(), 'other'))
})

test('deleting or replacing the lock file does not let a second writer in', t => {
  const directory = emptyDirectory(t)
  const lock = join(directory, 'lock')
  withStore(directory, SMALL, () => {
    t.is(readFileSync(lock, 'utf8').trim(), String(process.pid))
    rmSync(lock)
    refusal(t, directory)
    t.regex(openElsewhere(directory), /^HOLT_LOCKED /)
    writeFileSync(`${lock}.new`, '1\n')
    renameSync(`${lock}.new`, lock)
    refusal(t, directory)
    t.regex(openElsewhere(directory), /^HOLT_LOCKED /)
  })
  t.is(openElsewhere(directory), 'opened\n')
})

test('a holder that is killed leaves no obstacle, and what it wrote', async t => {
  const directory = emptyDirectory(t)
  const child = await holder(t, directory)
  t.regex(refusal(t, directory), new RegExp(`process ${child.pid}\\b`))
  child.kill('SIGKILL')
  await once(child, 'exit')
  withStore(directory, SMALL, ({ tree }) => t.is(tree.get('held')?.toString(), 'by a child'))
})

test('an open that fails lets go of the store', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, ({ tree }) => tree.put('key', 'value'))
  const manifest = readFileSync(join(directory, 'manifest'))
  writeFileSync(join(directory, 'manifest'), 'no manifest')
  t.throws(() => openStore(directory, SMALL), { code: 'HOLT_CORRUPT_MANIFEST' })
  writeFileSync(join(directory, 'manifest'), manifest)
  withStore(directory, SMALL, ({ tree }) => t.is(tree.get('key')?.toString(), 'value'))
})
