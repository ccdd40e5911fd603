/**
 * How many requests an operation costs on a real mount, counted by the server: exactly those in the table of docs/requests.md.
 * Forgets are not counted, which the kernel sends when it likes.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { askControl } from '../../src/fs/control.ts'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, program, RealMount, succeed } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Rows of the table: what is done, whether the kernel has forgotten all names and inodes before, and the requests. */
function readTable(): { operation: string; cold: boolean; requests: string }[] {
  const text = readFileSync(join(PROJECT, 'docs/requests.md'), 'utf8')
  const rows = text.matchAll(/^\| ([^|]+) \| (cold|warm) \| \d+ \| \d+: ([^|]+) \|/gm)
  return [...rows].map(([, operation, state, requests]) => ({ operation, cold: state === 'cold', requests }))
}

test('every operation costs the requests that are documented', async t => {
  const mount = new RealMount('requests')
  await mount.mount('--workers', '1')
  const [file, argv] = program('./request-operations', mount.path)
  const client = spawn(file, argv, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const failed = once(client, 'exit').then(([code]) => Promise.reject(new Error(`the client ended with ${code}`)))
  failed.catch(() => {})
  const answer = () => Promise.race([once(client, 'message'), failed])
  const ask = async (operation: string) => {
    const answered = answer()
    client.send(operation)
    await answered
  }
  const count = async () => ((await askControl(mount.store)) as { requests: Record<string, number> }).requests

  t.teardown(() => client.kill())
  await answer()
  await ask('prepare')
  const rows = readTable()
  t.true(rows.length > 30)
  for (const { operation, cold, requests } of rows) {
    if (cold) {
      await succeed('mount', ['-i', '-o', 'remount', mount.path])
      await ask('look at the root')
    }
    const before = await count()
    await ask(operation)
    t.is(difference(before, await count()), requests, operation)
  }
  client.disconnect()
  await mount.umount()
})

/** `LOOKUP 1, READ 2`, in the order of the alphabet; `none`. */
function difference(before: Record<string, number>, after: Record<string, number>): string {
  const parts: string[] = []
  for (const name of Object.keys(after).sort()) {
    if (name === 'all' || name === 'FORGET' || name === 'BATCH_FORGET') continue
    const more = after[name] - (before[name] ?? 0)
    if (more !== 0) parts.push(`${name} ${more}`)
  }
  return parts.length === 0 ? 'none' : parts.join(', ')
}
