/**
 * What a mount takes of memory and disk, sampled again and again, and whether it grows. The load of a soak is bounded, so after a
 * while everything should stay: the middle of the last third of a series is compared with the middle of the first one.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes by what has them; those that cannot be told at the moment are left out. */
export type Sample = Partial<Record<Measure, number>>
export type Measure = (typeof MEASURES)[number]

/** `server` is its memory of its own, without mapped files; `server*` is another process after each kill. */
export const MEASURES = ['supervisor', 'server', 'frames', 'wal', 'data', 'manifest', 'dataFiles'] as const

/** By how much a series may grow, in bytes (files: in number), on top of a part of what it is: what comes and goes by itself. */
const ALLOWANCE: Record<Measure, number> = {
  supervisor: 16 << 20,
  server: 48 << 20,
  frames: 24 << 20,
  wal: 64 << 20,
  data: 64 << 20,
  manifest: 2 << 20,
  dataFiles: 2000,
}
const PART = 0.25
/** Part of a series that is warming up. */
const WARM_UP = 0.3
/** Fewer samples say nothing. */
const LEAST = 9

export interface Trend {
  first: number
  last: number
  most: number
  grows: boolean
}

/** Memory of a process without files that it has mapped; undefined when it is gone. */
export function memoryOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN)
    const bytes = (kilobytes('RssAnon') + kilobytes('RssShmem')) * 1024
    return Number.isNaN(bytes) ? undefined : bytes
  } catch {
    return undefined
  }
}

/** The files of a store, while others change them. */
export function filesOf(store: string): Sample {
  const data = allocated(join(store, 'data'))
  return {
    frames: allocated(join(store, 'frames.dat')).bytes,
    wal: allocated(join(store, 'wal')).bytes,
    manifest: allocated(join(store, 'manifest')).bytes,
    data: data.bytes,
    dataFiles: data.files,
  }
}

/** What a file, or everything below a directory, takes on the host. */
function allocated(path: string): { bytes: number; files: number } {
  try {
    const stats = lstatSync(path)
    if (!stats.isDirectory()) return { bytes: stats.blocks * 512, files: 1 }
    const sum = { bytes: 0, files: 0 }
    for (const name of readdirSync(path)) {
      const { bytes, files } = allocated(join(path, name))
      sum.bytes += bytes
      sum.files += files
    }
    return sum
  } catch {
    // Removed meanwhile.
    return { bytes: 0, files: 0 }
  }
}

export function trendOf(measure: Measure, samples: readonly Sample[]): Trend | undefined {
  const values = samples.map(sample => sample[measure]).filter(value => value !== undefined)
  if (values.length === 0) return undefined
  const warm = values.slice(Math.floor(values.length * WARM_UP))
  const third = Math.floor(warm.length / 3)
  const first = median(warm.slice(0, Math.max(1, third)))
  const last = median(warm.slice(-Math.max(1, third)))
  const grows = values.length >= LEAST && last - first > ALLOWANCE[measure] + PART * first
  return { first, last, most: values.reduce((a, b) => Math.max(a, b)), grows }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which the part `q` of all are; 0 of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
