/**
 * What renaming a directory costs on a mount, with few and with many entries below it: the median of 9 renames and the
 * ratio. `node --import tsx bench/rename-directory.ts [SMALL LARGE]`; needs root and a built dist.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const RENAMES = 9
/** Renames before those that count. */
const WARM_UP = 9
const HOLTFS = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

if (process.argv[2] === '--client') measure(process.argv[3], process.argv.slice(4).map(Number))
else main(process.argv.length > 2 ? process.argv.slice(2).map(Number) : [100, 100_000])

function main(sizes: number[]): void {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-bench-'))
  const path = join(directory, 'mnt')
  mkdirSync(path)
  try {
    execFileSync(process.execPath, [HOLTFS, 'mount', join(directory, 'store'), path], { stdio: 'inherit' })
    // A process must not use its own mount; this one only started the server, and the client is a child all the same.
    const argv = ['--import=tsx', fileURLToPath(import.meta.url), '--client', path, ...sizes.map(String)]
    execFileSync(process.execPath, argv, { stdio: 'inherit' })
  } finally {
    if (spawnSync(process.execPath, [HOLTFS, 'umount', path]).status !== 0) spawnSync('umount', ['-l', path])
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The sizes take turns, so that what else the machine does meets all of them. */
function measure(path: string, sizes: number[]): void {
  for (const entries of sizes) {
    mkdirSync(join(path, `0-${entries}`))
    for (let i = 0; i < entries; i++) closeSync(openSync(join(path, `0-${entries}`, `entry-${i}`), 'wx'))
  }
  const times: number[][] = sizes.map(() => [])
  for (let i = 0; i < WARM_UP + RENAMES; i++) {
    sizes.forEach((entries, size) => {
      const from = process.hrtime.bigint()
      renameSync(join(path, `${i}-${entries}`), join(path, `${i + 1}-${entries}`))
      if (i >= WARM_UP) times[size].push(Number(process.hrtime.bigint() - from) / 1000)
    })
  }
  const medians = times.map((list, size) => {
    const sorted = list.toSorted((a, b) => a - b)
    const [least, middle, most] = [sorted[0], sorted[RENAMES >> 1], sorted[RENAMES - 1]].map(Math.round)
    console.log(`${sizes[size]} entries: median ${middle} µs (${least} to ${most}) of ${RENAMES} renames`)
    return middle
  })
  console.log(`ratio ${(medians[medians.length - 1] / medians[0]).toFixed(2)}`)
}
