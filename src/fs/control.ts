/**
 * The control socket of a mounted store, STORE/control.sock: whoever may enter the store's directory connects and gets
 * one JSON document of statistics. It exists while the server runs; one that a killed server left is replaced. A mount goes
 * on without it when it cannot be made.
 */
import { chmodSync, closeSync, constants, existsSync, openSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import createDebug from 'debug'

const debug = createDebug('holtfs:mount')
const SOCKET = 'control.sock'

/** Answers each connection with `describe()` until `close()` is called. */
export function serveControl(store: string, describe: () => unknown): { close(): void } {
  rmSync(join(store, SOCKET), { force: true })
  const server = createServer(connection => {
    connection.on('error', () => connection.destroy())
    // One who does not read his answer must not keep the server from ending.
    connection.unref()
    connection.end(`${JSON.stringify(describe())}\n`)
  })
  server.on('error', error => debug('no control socket: %s', error.message))
  const directory = openDirectory(store)
  const path = pathOf(directory)
  server.listen(path, () => chmodSync(path, 0o600))
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
    connection.setEncoding('utf8')
    connection.on('data', chunk => {
      text += chunk
    })
    connection.on('error', () => resolve(undefined))
    connection.on('end', () => resolve(text === '' ? undefined : JSON.parse(text)))
  })
}

function openDirectory(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
}

/** The address of a socket has room for 107 bytes; paths of stores are longer. */
function pathOf(directory: number): string {
  return `/proc/self/fd/${directory}/${SOCKET}`
}
