/**
 * SIGKILL of supervisor and server at any moment ends the mount and loses nothing that a client was told is done (default durability). Clients log what
 * was acknowledged; the recovered mount must hold exactly that, and of the one call that each had in flight all or nothing
 * (of a write(2), which the kernel may send in parts: all or its beginning).
 * HOLTFS_KILLS is the number of kills (default 2), HOLTFS_SEED repeats a run as far as time allows.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest, { type ExecutionContext } from 'ava'
import { PROJECT } from '../support/modules.ts'
import { seededRandom } from '../support/random.ts'
import { type Acknowledged, type LogLine, readLog } from './acknowledged-log.ts'
import { bytesOf, type Operation } from './acknowledged-operation.ts'
import { canMount, cleanUp, program, RealMount, run, sh, startServer, succeed } from './real-mount.ts'

const KILLS = Number(process.env.HOLTFS_KILLS ?? 2)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const CLIENTS = ['mixed', 'mixed', 'ballast']
const PAGE = 4096
/** Milliseconds from the clients' start to the kill, at most. */
const LONGEST_RUN = 1500
/** The smallest pool is too small for what the clients write: rounds and evictions never end. */
const OPTIONS = [['--pool', '4M'], [], ['--pool', '4M', '--workers', '1'], ['--pool', '4M', '--workers', '4']]
/** Operations of the ballast client before the first kill. */
const FIRST = '3000'
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

const random = seededRandom(SEED)
const below = (n: number) => Math.floor(random() * n)

test('what was acknowledged is there after the server is killed, and nothing else', async t => {
  t.timeout(60_000 + KILLS * 60_000)
  t.log(`seed ${SEED}`)
  const mount = new RealMount('killed')
  const logs = CLIENTS.map((_, i) => join(mount.directory, `client-${i}.log`))
  const homes = logs.map((_, i) => join(mount.path, `client-${i}`))
  await mount.mount()
  await sh(`mkdir ${homes.map(home => `'${home}'`).join(' ')}`, '/')
  const ballast = CLIENTS.indexOf('ballast')
  await succeed(...program('./killed-client', homes[ballast], logs[ballast], String(SEED), 'ballast', FIRST))
  await mount.umount()
  for (let kill = 0; kill < KILLS; kill++) {
    const options = OPTIONS[kill % OPTIONS.length]
    await mount.mount(...options)
    await killWhileClientsWork(mount, homes, logs)
    if (kill % 2 === 1) await killWhileItRecovers(mount, options)
    if (kill % 4 === 2) await mount.check()
    await mount.mount(...options)
    for (let i = 0; i < CLIENTS.length; i++) await verify(t, homes[i], logs[i], `kill ${kill}, client ${i}`)
    if (kill % 3 === 2) await killWhileItCloses(mount)
    else await mount.umount()
    await mount.check()
    await mount.mount()
    for (let i = 0; i < CLIENTS.length; i++) {
      const found = await listing(homes[i])
      t.deepEqual(differences(readLog(logs[i]).model.listing(), found), [], `kill ${kill}, client ${i}, restarted`)
    }
    await mount.umount()
  }
  await mount.mount()
  await sh('rm -rf -- *', mount.path)
  await mount.umount()
  await mount.check()
  t.is(await sh('find data -type f', mount.store), '', 'no bytes are left on the host')
  const total = logs.reduce((sum, log) => sum + readLog(log).acknowledged, 0)
  t.log(`${total} acknowledged calls, ${KILLS} kills`)
  t.true(total > KILLS * 20, 'the clients came to something')
})

async function killWhileClientsWork(mount: RealMount, homes: string[], logs: string[]): Promise<void> {
  const before = logs.map(sizeOf)
  const clients = logs.map((log, i) => new Client(homes[i], log, CLIENTS[i]))
  while (logs.some((log, i) => sizeOf(log) === before[i]) && clients.every(client => client.runs)) await sleep(5)
  await sleep(below(LONGEST_RUN))
  const early = clients.find(client => !client.runs)
  await mount.kill()
  await Promise.all(clients.map(client => client.ended))
  await mount.detach()
  for (const client of clients) if (client.code !== 0) throw new Error(`a client failed: ${client.err}`)
  if (early !== undefined) throw new Error('a client saw a dead mount before the kill')
}

async function killWhileItRecovers(mount: RealMount, options: string[]): Promise<void> {
  const server = startServer('mount', '-f', mount.store, mount.path, ...options)
  await sleep(80 + below(250))
  await mount.kill()
  await server.ended
  await run('umount', ['-l', mount.path])
}

async function killWhileItCloses(mount: RealMount): Promise<void> {
  await succeed('umount', [mount.path])
  await sleep(below(60))
  await mount.kill()
}

class Client {
  readonly child: ChildProcess
  readonly ended: Promise<void>
  runs = true
  code: number | null = null
  err = ''

  constructor(home: string, log: string, kind: string) {
    const [file, argv] = program('./killed-client', home, log, String(below(2 ** 32)), kind)
    this.child = spawn(file, argv, { cwd: PROJECT, stdio: ['ignore', 'ignore', 'pipe'] })
    this.child.stderr?.on('data', chunk => {
      this.err += chunk
    })
    this.child.on('exit', () => {
      this.runs = false
    })
    this.ended = new Promise(resolve => {
      this.child.on('close', code => {
        this.code = code
        resolve()
      })
    })
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}

async function listing(home: string): Promise<string[]> {
  const out = await succeed(...program('./print-listing', home, '--hash'))
  return out.split('\n').filter(line => line !== '')
}

/** Lines that only one side has, marked. */
function differences(expected: string[], found: string[]): string[] {
  const [want, have] = [new Set(expected), new Set(found)]
  return [
    ...expected.filter(line => !have.has(line)).map(line => `expected ${line}`),
    ...found.filter(line => !want.has(line)).map(line => `found    ${line}`),
  ]
}

/** Compares and settles in the log what became of the call in flight. */
async function verify(t: ExecutionContext, home: string, log: string, what: string): Promise<void> {
  const found = await listing(home)
  const state = readLog(log)
  const without = differences(state.model.listing(), found)
  if (state.inFlight === undefined) {
    t.deepEqual(without, [], what)
    return
  }
  if (without.length === 0) {
    settle(log, { is: 'void' })
    return
  }
  const begun = await beginningOfWrite(state, home)
  state.model.apply(state.inFlight)
  const withIt = differences(state.model.listing(), found)
  if (withIt.length === 0) {
    settle(log, { is: 'done' })
    return
  }
  if (begun !== undefined) {
    settle(log, { begin: begun }, { is: 'done' })
    t.deepEqual(differences(readLog(log).model.listing(), found), [], `${what}, the beginning of a write`)
    return
  }
  const inFlight = JSON.stringify(state.inFlight)
  t.deepEqual(withIt, [], `${what}, in flight: ${inFlight}; without it:\n${without.join('\n')}`)
}

function settle(log: string, ...lines: LogLine[]): void {
  for (const line of lines) appendFileSync(log, `${JSON.stringify(line)}\n`)
}

/**
 * The kernel cuts a write(2) at page borders into several requests, and SIGKILL ends the host's write(2) between two
 * pages: then the beginning of it can be there. Returns that beginning as a write of its own.
 */
async function beginningOfWrite(state: Acknowledged, home: string): Promise<Operation | undefined> {
  const write = state.inFlight
  if (write?.is !== 'write' && write?.is !== 'append') return undefined
  const old = state.model.file(write.path).bytes
  const offset = write.is === 'write' ? write.offset : old.length
  const actual = Buffer.from(await succeed('cat', [join(home, write.path)]), 'latin1')
  const fresh = bytesOf(write.seed, write.length)
  for (let length = PAGE - (offset % PAGE); length < write.length; length += PAGE) {
    const expected = Buffer.alloc(Math.max(old.length, offset + length))
    old.copy(expected)
    fresh.copy(expected, offset, 0, length)
    if (actual.equals(expected)) return { ...write, length }
  }
  return undefined
}
