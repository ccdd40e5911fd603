/**
 * The control socket of a mounted store, STORE/control.sock: whoever may enter the store's directory connects and gets
 * one JSON document of statistics. It exists while the server runs; one that a killed server left is replaced.
 */
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

const SOCKET = 'control.sock'

/** Answers each connection with `describe()`. Call `close()` on the result at the end. */
export function serveControl(store: string, describe: () => unknown): Server {
  const path = join(store, SOCKET)
  rmSync(path, { force: true })
  const server = createServer(connection => {
    connection.on('error', () => connection.destroy())
    connection.end(`${JSON.stringify(describe())}\n`)
  })
  server.listen(path, () => chmodSync(path, 0o600))
  server.unref()
  return server
}

/** Asks the server of a mounted store; undefined when none answers. */
export function askControl(store: string): Promise<unknown> {
  const path = join(store, SOCKET)
  if (!existsSync(path)) return Promise.resolve(undefined)
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
