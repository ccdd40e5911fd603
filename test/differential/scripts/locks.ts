/**
 * Locks between processes: flock, fcntl and those of open file descriptions; waiting, interrupted and killed waiters, release
 * at close and at kill, by whichever name the file is reached.
 */
import { spawnSync } from 'node:child_process'
import * as sys from '../../support/syscalls.ts'
import {
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_RDLCK,
  F_SETLK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
} from '../../support/syscalls.ts'
import { LockClient } from '../lock-client.ts'
import type { Scene, Script } from '../scene.ts'

const F_OFD_SETLKW = 38
const O_RDWR = 2

async function flocks(scene: Scene, a: LockClient, b: LockClient): Promise<void> {
  const fa = await a.call('open', 'file', O_RDWR)
  const fb = await b.call('open', 'other-name', O_RDWR)
  const lock = async (step: string, client: LockClient, operation: number) =>
    scene.see(`flock: ${step}`, await client.call('flock', client === a ? fa : fb, operation))
  await lock('exclusive', a, LOCK_EX)
  await lock('exclusive, taken', b, LOCK_EX | LOCK_NB)
  await lock('shared, taken', b, LOCK_SH | LOCK_NB)
  await lock('downgraded', a, LOCK_SH)
  await lock('shared with another', b, LOCK_SH | LOCK_NB)
  await lock('upgrade while another shares', a, LOCK_EX | LOCK_NB)
  await lock('let go', b, LOCK_UN)
  await lock('exclusive again', a, LOCK_EX | LOCK_NB)
  scene.see('flock: wait', await b.callAndWait('flock', fb, LOCK_EX))
  await lock('let go for the waiter', a, LOCK_UN)
  scene.see('flock: the waiter has it', await b.answer())
  await lock('taken now by the other', a, LOCK_SH | LOCK_NB)
  scene.see('flock: fcntl does not mind', await a.call('fcntlLock', fa, F_SETLK, F_WRLCK, 0, 0))
  const interrupted = spawnSync('flock', ['-w', '0.3', 'file', 'true'])
  scene.see('flock: a waiter is interrupted', interrupted.error?.message ?? interrupted.status)
  scene.see('flock: close', await b.call('close', fb))
  await lock('free after close', a, LOCK_EX | LOCK_NB)
  scene.see('flock: close too', await a.call('close', fa))
}

async function ranges(scene: Scene, a: LockClient, b: LockClient): Promise<void> {
  const fa = (await a.call('open', 'file', O_RDWR)) as number
  const fb = (await b.call('open', 'other-name', O_RDWR)) as number
  const set = async (step: string, client: LockClient, type: number, start: number, length: number) =>
    scene.see(`fcntl: ${step}`, await client.call('fcntlLock', client === a ? fa : fb, F_SETLK, type, start, length))
  const ask = async (step: string, start: number) => {
    const found = (await b.call('fcntlLock', fb, F_GETLK, F_WRLCK, start, 1)) as sys.FileLock
    scene.see(`fcntl: ${step}`, {
      ...found,
      pid: found.pid === a.pid ? 'a' : found.type === F_UNLCK ? 'none' : found.pid,
    })
  }
  await set('a range', a, F_WRLCK, 0, 10)
  await set('an overlapping range', b, F_WRLCK, 5, 10)
  await set('the range behind', b, F_RDLCK, 10, 10)
  await set('over the other’s', a, F_WRLCK, 15, 1)
  await ask('who is in the way', 4)
  await set('a hole', a, F_UNLCK, 3, 2)
  await ask('the hole', 4)
  await ask('behind the hole', 7)
  scene.see('fcntl: wait', await b.callAndWait('fcntlLock', fb, F_SETLKW, F_WRLCK, 0, 3))
  scene.see('fcntl: a deadlock', await a.call('fcntlLock', fa, F_SETLKW, F_WRLCK, 12, 1))
  await set('let go', a, F_UNLCK, 0, 3)
  scene.see('fcntl: the waiter has it', await b.answer())
  await set('let go of all', b, F_UNLCK, 0, 0)
  const second = await a.call('open', 'file', O_RDWR)
  scene.see('fcntl: close of another descriptor', await a.call('close', second))
  await set('free after that', b, F_WRLCK, 0, 0)
  const readOnly = await a.call('open', 'file', 0)
  scene.see('fcntl: write lock, open to read', await a.call('fcntlLock', readOnly, F_SETLK, F_WRLCK, 0, 1))
  await set('let go at last', b, F_UNLCK, 0, 0)
  scene.see('fcntl: beyond 4 GB', await a.call('fcntlLock', fa, F_SETLK, F_WRLCK, 5e9, 1))
  await ask('who is there', 5e9)
  await a.call('close', fa)
  await a.call('close', readOnly)
  await b.call('close', fb)
}

async function descriptions(scene: Scene, a: LockClient, b: LockClient): Promise<void> {
  const one = await a.call('open', 'file', O_RDWR)
  const two = await a.call('open', 'file', O_RDWR)
  const fb = await b.call('open', 'file', O_RDWR)
  scene.see('ofd: lock', await a.call('fcntlLock', one, F_OFD_SETLK, F_WRLCK, 0, 0))
  scene.see('ofd: same process, other description', await a.call('fcntlLock', two, F_OFD_SETLK, F_WRLCK, 0, 1))
  scene.see('ofd: against fcntl of the same process', await a.call('fcntlLock', two, F_SETLK, F_RDLCK, 0, 1))
  scene.see('ofd: asked', await b.call('fcntlLock', fb, F_OFD_GETLK, F_WRLCK, 0, 1))
  scene.see('ofd: wait', await b.callAndWait('fcntlLock', fb, F_OFD_SETLKW, F_RDLCK, 0, 1))
  scene.see('ofd: close of the other description', await a.call('close', two))
  scene.see('ofd: close', await a.call('close', one))
  scene.see('ofd: the waiter has it', await b.answer())
  await b.call('close', fb)
}

/** Holders and waiters that are killed, on a file that has no name any more. */
async function kills(scene: Scene, b: LockClient): Promise<void> {
  scene.write('doomed')
  const fb = await b.call('open', 'doomed', O_RDWR)
  for (const [name, holds, waits] of [
    ['flock', ['flock', LOCK_EX], ['flock', LOCK_EX]],
    ['fcntl', ['fcntlLock', F_SETLK, F_WRLCK, 0, 0], ['fcntlLock', F_SETLKW, F_WRLCK, 0, 0]],
    ['ofd', ['fcntlLock', F_OFD_SETLK, F_WRLCK, 0, 0], ['fcntlLock', F_OFD_SETLKW, F_WRLCK, 0, 0]],
  ] as const) {
    scene.write(name)
    const holder = await LockClient.start()
    const waiter = await LockClient.start()
    const [f, w, own] = [
      await holder.call('open', name, O_RDWR),
      await waiter.call('open', name, O_RDWR),
      await b.call('open', name, O_RDWR),
    ]
    const [call, ...argv] = holds
    scene.see(`kill: ${name} holds`, await holder.call(call, f, ...argv))
    scene.see(`kill: ${name} unlinked`, sys.unlink(name))
    const [waitCall, ...waitArgv] = waits
    scene.see(`kill: ${name} waits`, await waiter.callAndWait(waitCall, w, ...waitArgv))
    scene.see(`kill: ${name} waiter`, await waiter.end('SIGTERM'))
    scene.see(`kill: ${name} another waits`, await b.callAndWait(waitCall, own, ...waitArgv))
    scene.see(`kill: ${name} holder`, await holder.end('SIGKILL'))
    scene.see(`kill: ${name} it has the lock`, await b.answer())
    await b.call('close', own)
  }
  await b.call('close', fb)
}

const script: Script = {
  async run(scene) {
    scene.write('file', 'locked')
    scene.see('a second name', sys.link('file', 'other-name'))
    const a = await LockClient.start()
    const b = await LockClient.start()
    await flocks(scene, a, b)
    await ranges(scene, a, b)
    await descriptions(scene, a, b)
    await kills(scene, b)
    await a.end('SIGKILL')
    await b.end('SIGKILL')
  },
}

export default script
