/**
 * The control socket: only its owner's, whatever the umask is; it reads nothing, answers a bounded number of clients, and lets go of
 * those who do not take their answer. And the other side: `askControl` believes no server.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { askControl, serveControl } from '../../src/fs/control.ts'

function inDirectory(name: string, run: (directory: string, socket: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), `holtfs-${name}-`))
  return run(directory, join(directory, 'control.sock')).finally(() =>
    rmSync(directory, { recursive: true, force: true }),
  )
}

/** All that a socket receives until its end, or an error. */
async function received(socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  // Not once(), which rejects with the error.
  await new Promise(resolve => socket.on('close', resolve))
  return text
}

test.serial('its mode is 0600 whatever the umask is', t =>
  inDirectory('control', async (directory, socket) => {
    for (const mask of [0, 0o022, 0o077]) {
      const before = process.umask(mask)
      const control = serveControl(directory, () => ({ a: 1 }))
      t.is(statSync(socket).mode & 0o7777, 0o600, 'at once')
      t.is(process.umask(before), mask, 'the umask is as before')
      t.deepEqual(await askControl(directory), { a: 1 })
      control.close()
    }
  }),
)

test.serial('garbage is not read, and endless clients do not keep others out for long', t =>
  inDirectory('control', async (directory, socket) => {
    let asked = 0
    const control = serveControl(directory, () => ({ asked: ++asked }))
    const talker = connect(socket)
    const written = Buffer.alloc(8 << 20, 'garbage')
    talker.write(written)
    await received(talker)
    t.true(talker.bytesWritten < written.length || talker.destroyed)
    const idle = Array.from({ length: 40 }, () => connect(socket))
    for (const each of idle) each.on('error', () => {})
    await sleep(200)
    t.truthy(await askControl(directory), 'clients that do nothing have their answer and are gone')
    for (const each of idle) each.destroy()
    control.close()
  }),
)

test.serial('a client who does not take a long answer is cut off, and others are served meanwhile', t =>
  inDirectory('control', async (directory, socket) => {
    const long = 'x'.repeat(600_000)
    const control = serveControl(directory, () => ({ long }))
    const slow = connect(socket)
    slow.pause()
    slow.on('error', () => {})
    await once(slow, 'connect')
    t.deepEqual(await askControl(directory), { long })
    await sleep(5500)
    slow.resume()
    const text = await received(slow)
    t.true(text.length < long.length, `${text.length} characters`)
    control.close()
  }),
)

const ANSWERS: [string, (socket: Socket) => void][] = [
  ['nothing', socket => socket.end()],
  ['garbage', socket => socket.end('{{{')],
  ['a number', socket => socket.end('1')],
  ['null', socket => socket.end('null')],
  ['more than can be', socket => socket.end(`"${'x'.repeat(3 << 20)}"`)],
  ['no end', socket => void socket.write('{"a":')],
]

for (const [what, answer] of ANSWERS) {
  test.serial(`a server that answers ${what} has not answered`, t =>
    inDirectory('control', async (directory, socket) => {
      const server = createServer(connection => {
        connection.on('error', () => {})
        answer(connection)
      }).listen(socket)
      await once(server, 'listening')
      t.is(await askControl(directory), undefined)
      server.close()
    }),
  )
}
