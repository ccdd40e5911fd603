/**
 * What renaming a directory costs on a mount, with few and with many entries below it: the median of 9 renames (there and
 * back) and the ratio. `node --import tsx bench/rename-directory.ts [SMALL LARGE]`; needs root and a built dist.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const RENAMES = 9
const HOLTFS = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

if (process.argv[2] === '--client') measure(process.argv[3], Number(process.argv[4]))
else main(Number(process.argv[2] ?? 100), Number(process.argv[3] ?? 100_000))

function main(small: number, large: number): void {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-bench-'))
  const path = join(directory, 'mnt')
  mkdirSync(path)
  try {
    holtfs('mount', join(directory, 'store'), path)
    const medians = [small, large].map(entries => median(path, entries))
    console.log(`ratio ${(medians[1] / medians[0]).toFixed(2)}`)
  } finally {
    if (spawnSync(process.execPath, [HOLTFS, 'umount', path]).status !== 0) spawnSync('umount', ['-l', path])
    rmSync(directory, { recursive: true, force: true })
  }
}

function holtfs(...argv: string[]): void {
  execFileSync(process.execPath, [HOLTFS, ...argv], { stdio: 'inherit' })
}

/** Microseconds. A process must not use its own mount, but this one only started the server. */
function median(path: string, entries: number): number {
  const script = fileURLToPath(import.meta.url)
  const argv = ['--import=tsx', script, '--client', path, String(entries)]
  const times = JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' })) as number[]
  const sorted = times.toSorted((a, b) => a - b)
  const middle = sorted[RENAMES >> 1]
  const range = `${sorted[0].toFixed(0)} to ${sorted[RENAMES - 1].toFixed(0)}`
  console.log(`${entries} entries: median ${middle.toFixed(0)} µs (${range}) of ${RENAMES} renames`)
  return middle
}

function measure(path: string, entries: number): void {
  const names = [join(path, `a-${entries}`), join(path, `b-${entries}`)]
  mkdirSync(names[0])
  for (let i = 0; i < entries; i++) closeSync(openSync(join(names[0], `entry-${i}`), 'wx'))
  const times: number[] = []
  for (let i = 0; i < RENAMES; i++) {
    const from = process.hrtime.bigint()
    renameSync(names[i % 2], names[(i + 1) % 2])
    times.push(Number(process.hrtime.bigint() - from) / 1000)
  }
  console.log(JSON.stringify(times))
}
