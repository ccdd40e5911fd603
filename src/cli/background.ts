/**
 * Both sides of a background mount. The parent starts this program again, detached, with its output appended to
 * STORE/holtfs.log and an IPC channel; the child says "ready" or why not over the channel and then lets go of it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, existsSync, fstatSync, realpathSync, rmdirSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoltError, oneLine } from '../errors.ts'
import { findMount, MOUNT_TYPE } from '../fs/fuse/mount-table.ts'
import { checkStoreDirectory } from '../fs/store-directory.ts'
import { makeDirectory } from '../journal/make-directory.ts'
import { openOwnFile } from '../journal/own-file.ts'

/** Name of the server's log in the store's directory. */
const LOG_NAME = 'holtfs.log'
const ROOT_INO = 1
const { O_WRONLY, O_APPEND, O_CREAT } = constants

type StartMessage = { is: 'ready' } | { is: 'failed'; why: string }

/**
 * Starts the server for the command line of this process and waits until the mount answers.
 * @throws {HoltError} HOLT_MOUNT with the server's own words
 */
export async function mountInBackground(store: string, mountpoint: string, readOnly: boolean): Promise<void> {
  if (existsSync(store) && !statSync(store).isDirectory()) {
    throw new HoltError('HOLT_NOT_A_STORE', `${store} is not a directory: name a store directory`)
  }
  checkStoreDirectory(store)
  if (readOnly) {
    // A store that is only read gets no log either.
    await start('ignore', 'run it with -f to see why')
    return checkAnswer(mountpoint)
  }
  const firstMade = makeDirectory(store)
  const logPath = join(store, LOG_NAME)
  const isNewLog = !existsSync(logPath)
  const log = openOwnFile(logPath, O_WRONLY | O_APPEND | O_CREAT)
  try {
    await start(log, `see ${logPath}`)
    checkAnswer(mountpoint)
  } catch (error) {
    // A directory that was no store before, and is none now, is left as it was found.
    if (isNewLog && fstatSync(log).size === 0) unlinkSync(logPath)
    if (firstMade !== undefined) removeEmpty(store, firstMade)
    throw error
  } finally {
    closeSync(log)
  }
}

function start(log: number | 'ignore', more: string): Promise<void> {
  const argv = process.argv.slice(1)
  argv.splice(argv.indexOf('mount', 1) + 1, 0, '--foreground')
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  const interrupt = () => void child.kill('SIGTERM')
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return startMessage(child, more).finally(() => {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    if (child.connected) child.disconnect()
    child.unref()
  })
}

/** `more`: where to read on when the server ends without a word. */
function startMessage(child: ChildProcess, more: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: StartMessage) => {
      if (message.is === 'ready') resolve()
      else reject(new HoltError('HOLT_MOUNT', message.why))
    })
    child.on('error', error => reject(error))
    child.on('exit', (code, signal) => {
      reject(new HoltError('HOLT_MOUNT', `the server ended at once (${signal ?? `exit code ${code}`}); ${more}`))
    })
  })
}

/** The server is another process, so asking the mount cannot deadlock. */
function checkAnswer(mountpoint: string): void {
  const { ino } = statSync(mountpoint)
  if (ino !== ROOT_INO || findMount(realpathSync(mountpoint))?.type !== MOUNT_TYPE) {
    throw new HoltError('HOLT_MOUNT', `the server runs, but ${mountpoint} does not show its root`)
  }
}

/** Removes a directory and those above it up to `last`, as long as they are empty. */
function removeEmpty(directory: string, last: string): void {
  try {
    for (let path = directory; path.length >= last.length; path = dirname(path)) rmdirSync(path)
  } catch {
    // The server has begun a store in it.
  }
}

/** The server's side: the mount answers. Steps out of the directory it was started in, which it must not keep busy. */
export function reportReady(): void {
  if (process.send === undefined) return
  process.chdir('/')
  process.send({ is: 'ready' } satisfies StartMessage, () => {
    if (process.connected) process.disconnect()
  })
}

/** The server's side: it did not come to a mount. False when nobody listens (any more): then the error is for stderr. */
export function reportFailure(error: unknown): Promise<boolean> {
  const { send } = process
  if (send === undefined || !process.connected) return Promise.resolve(false)
  const message: StartMessage = { is: 'failed', why: oneLine(error) }
  return new Promise(resolve => {
    send.call(process, message, (failure: Error | null) => {
      if (process.connected) process.disconnect()
      resolve(failure === null)
    })
  })
}
