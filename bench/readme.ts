/** Replaces the tables between the markers of bench/README.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { markdown, type Table } from './figures.ts'
import type { Machine } from './machine.ts'

const README = fileURLToPath(new URL('./README.md', import.meta.url))

export function updateReadme(machine: Machine, rounds: number, tables: Record<string, Table[]>, note: string): void {
  const { date, processor, cores, memory, kernel, node } = machine
  const where = `Run of ${date}: ${processor}, ${cores} cores, ${memory}, Linux ${kernel}, Node ${node}; ${rounds} rounds.`
  let text = readFileSync(README, 'utf8')
  for (const [name, found] of Object.entries(tables)) {
    const parts = [note === '' ? where : `${where} ${note}`, ...found.map(markdown)]
    text = replaced(text, name, parts.map(part => part.trimEnd()).join('\n\n'))
  }
  writeFileSync(README, text)
}

function replaced(text: string, name: string, content: string): string {
  const begin = `<!-- figures: ${name} -->`
  const end = `<!-- end of figures: ${name} -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`bench/README.md lacks the markers ${begin} … ${end}`)
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`
}
