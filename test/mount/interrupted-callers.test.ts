/**
 * Callers that get signals while the server works for them: with a handler they get the answer that they would have got
 * without; killed ones are gone at once, and leave nothing half done. Nothing here waits for long by itself, so INTERRUPT has
 * nothing to cut short, but it comes, and must neither be answered nor confuse the worker that reads it.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest from 'ava'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { canMount, cleanUp, holtfs, RealMount, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
const CLIENTS = 3
const OPERATIONS = Number(process.env.HOLTFS_OPERATIONS ?? 150)
const KILLED = 12
/** Milliseconds in which a process that is killed has to be gone: the host may be syncing. */
const GONE = 10_000

anyTest.after.always(cleanUp)

async function start(mount: RealMount, number: number, operations: number): Promise<ChildProcess> {
  const file = pathOf(import.meta.url, './interrupted-client')
  const argv = [mount.path, String(number), String(operations)]
  const child = fork(file, argv, {
    execArgv: NODE_ARGUMENTS,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  await once(child, 'message')
  return child
}

async function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null; err: string }> {
  let err = ''
  child.stderr?.on('data', chunk => {
    err += chunk
  })
  const [code, signal] = await once(child, 'exit')
  return { code, signal, err }
}

test('callers that are interrupted get right answers', async t => {
  const mount = new RealMount('interrupted')
  await mount.mount('--workers', '4')
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => start(mount, i, OPERATIONS)))
  const ends = clients.map(ended)
  const reports = clients.map(async client => {
    const [signals] = await Promise.race([once(client, 'message'), once(client, 'exit')])
    clients.splice(clients.indexOf(client), 1)
    if (client.connected) client.disconnect()
    return signals
  })
  while (clients.length > 0) {
    for (const client of clients) client.kill('SIGUSR2')
    await sleep(0)
  }
  for (const [i, end] of ends.entries()) {
    const { code, err } = await end
    const signals = await reports[i]
    t.is(code, 0, err)
    t.true(signals > OPERATIONS / 2, `${signals} signals`)
  }
  const { requests } = JSON.parse((await holtfs('stats', '--json', mount.path)).out)
  t.log(`${requests.INTERRUPT} times INTERRUPT`)
  t.true(requests.INTERRUPT > 0)
  const kept = CLIENTS * Math.ceil(OPERATIONS / 3)
  t.is(Number(await sh('ls | wc -l', mount.path)), kept)
  await mount.checkBetween()
  t.is(Number(await sh('ls | wc -l', mount.path)), kept)
})

test('callers that are killed are gone, and the mount goes on', async t => {
  const mount = new RealMount('killed')
  await mount.mount('--workers', '1')
  for (let i = 0; i < KILLED; i++) {
    const client = await start(mount, i, 1e6)
    const end = ended(client)
    await sleep(40 + 13 * i)
    client.kill('SIGKILL')
    const outcome = await Promise.race([end, sleep(GONE, undefined, { ref: false })])
    t.is(outcome?.signal, 'SIGKILL', outcome?.err)
  }
  // A file is what it was made as, with all or a part of its bytes.
  const files = await sh('for f in *; do echo "$f $(head -c 20 "$f" | tr -d "\\0" | cut -d: -f1)"; done', mount.path)
  for (const line of files.split('\n').slice(0, -1)) {
    const [name, start] = line.split(' ')
    t.true(start === '' || start === name.replace('-moved', ''), line)
  }
  await sh('rm -f -- *; echo alive > file; cat file', mount.path)
  await mount.umount()
  await mount.check()
})
