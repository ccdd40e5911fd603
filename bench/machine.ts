/** What the figures were taken on. */
import { readFileSync } from 'node:fs'
import { availableParallelism, release, totalmem, version } from 'node:os'

export interface Machine {
  date: string
  processor: string
  cores: number
  memory: string
  kernel: string
  node: string
}

export function describeMachine(): Machine {
  const processor = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch
  return {
    date: new Date().toISOString().slice(0, 10),
    processor,
    cores: availableParallelism(),
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    kernel: `${release()} (${version().includes('PREEMPT') ? 'PREEMPT' : 'no preemption'})`,
    node: process.version,
  }
}
