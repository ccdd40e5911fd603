/**
 * A process that works on a mount while signals interrupt it: `interrupted-client.ts MOUNT NUMBER OPERATIONS`. Every call must
 * answer as if there were no signals. Says `ready`, and at its end how many signals came, over IPC; ends when it is disconnected.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs'

const [, , mount, number, operations] = process.argv
const SIZES = [100, 5000, 300_000]
let signals = 0
process.on('SIGUSR2', () => signals++)
process.chdir(mount)
process.send?.('ready')

for (let i = 0; i < Number(operations); i++) {
  const name = `c${number}-${i}`
  const bytes = Buffer.alloc(SIZES[i % SIZES.length], `${name}:`)
  const fd = openSync(name, 'wx')
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
  if (i % 4 === 0) fsyncSync(fd)
  closeSync(fd)
  renameSync(name, `${name}-moved`)
  if (statSync(name, { throwIfNoEntry: false }) !== undefined) throw new Error(`${name} is still there`)
  if (statSync(`${name}-moved`).size !== bytes.length) throw new Error(`the size of ${name}`)
  if (!readFileSync(`${name}-moved`).equals(bytes)) throw new Error(`the bytes of ${name}`)
  if (i % 3 !== 0) unlinkSync(`${name}-moved`)
  // Lets the handler run: a signal that is pending interrupts nothing.
  await new Promise(resolve => setImmediate(resolve))
}
process.send?.(signals)
