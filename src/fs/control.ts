/**
 * The control socket of a mounted store, STORE/control.sock, mode 0600: the store's owner (and root) connects and gets one JSON
 * document of statistics. Nothing that a client sends is read, and who does not take his answer is cut off; nothing that a
 * server sends is believed to be short, or to come at all. It exists while the server runs; one that a killed server left is
 * replaced. A mount goes on without it when it cannot be made.
 */
import { closeSync, constants, existsSync, openSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import createDebug from 'debug'

const debug = createDebug('holtfs:mount')
const SOCKET = 'control.sock'
/** Clients at a time; more are turned away. */
const MAX_CLIENTS = 16
/** Milliseconds in which a client has to take his answer, and a server to give one. */
const PATIENCE = 5000
/** Characters of the longest answer that a client takes. */
const MAX_ANSWER = 1 << 20
/** Takes all but reading and writing from everybody but the owner. */
const ONLY_OWNER = 0o177

/** Answers each connection with `describe()` until `close()` is called. */
export function serveControl(store: string, describe: () => unknown): { close(): void } {
  try {
    rmSync(join(store, SOCKET), { force: true })
  } catch (error) {
    debug('something else has the name of the control socket: %s', (error as Error).message)
  }
  const server = createServer({ pauseOnConnect: true }, connection => {
    const end = setTimeout(() => connection.destroy(), PATIENCE).unref()
    connection.on('error', () => connection.destroy())
    connection.on('close', () => clearTimeout(end))
    // One who does not read his answer must not keep the server from ending.
    connection.unref()
    connection.end(`${JSON.stringify(describe())}\n`, () => connection.destroy())
  })
  server.maxConnections = MAX_CLIENTS
  server.on('error', error => debug('no control socket: %s', error.message))
  const directory = openDirectory(store)
  const path = pathOf(directory)
  // The socket is there when listen() returns: it must never have been open to others. No thread that makes directories runs yet.
  const mask = process.umask(ONLY_OWNER)
  server.listen(path)
  process.umask(mask)
  server.unref()
  return {
    close() {
      // Removes the socket by its path, before the descriptor in that path is closed.
      server.close()
      closeSync(directory)
    },
  }
}

/** Asks the server of a mounted store; undefined when none answers. */
export async function askControl(store: string): Promise<unknown> {
  if (!existsSync(join(store, SOCKET))) return undefined
  const directory = openDirectory(store)
  try {
    return await ask(pathOf(directory))
  } finally {
    closeSync(directory)
  }
}

function ask(path: string): Promise<unknown> {
  return new Promise(resolve => {
    let text = ''
    const connection = connect(path)
    const done = (answer: unknown) => {
      clearTimeout(end)
      connection.destroy()
      resolve(answer)
    }
    const end = setTimeout(() => done(undefined), PATIENCE)
    connection.setEncoding('utf8')
    connection.on('data', chunk => {
      text += chunk
      if (text.length > MAX_ANSWER) done(undefined)
    })
    connection.on('error', () => done(undefined))
    connection.on('end', () => done(parsed(text)))
  })
}

/** Undefined for what is no document. */
function parsed(text: string): unknown {
  try {
    const document: unknown = JSON.parse(text)
    return typeof document === 'object' && document !== null ? document : undefined
  } catch {
    return undefined
  }
}

function openDirectory(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
}

/** The address of a socket has room for 107 bytes; paths of stores are longer. */
function pathOf(directory: number): string {
  return `/proc/self/fd/${directory}/${SOCKET}`
}
