/** Figures of one table: per operation and subject the values of all rounds; medians, ratios, and how they are printed. */

export interface Table {
  title: string
  /** What the figures are compared by: ours first. */
  subjects: string[]
  /** Subjects that the last column does not compare with. */
  notCompared?: string[]
  /** Instead of peers, the subjects are ourselves with more and more of something: each is divided by the first. */
  scaling?: boolean
  rows: Row[]
}

export interface Row {
  operation: string
  unit: 'ns' | 'bytes' | 'a second'
  /** One value a round; none where a subject has no such thing. */
  values: Record<string, number[]>
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The best peer's median divided by ours: above 1 we are better. NaN where there is nothing to compare. */
export function ratio(table: Table, row: Row): number {
  const [ours, ...others] = table.subjects
  const peers = others.filter(name => row.values[name].length > 0 && !table.notCompared?.includes(name))
  if (peers.length === 0 || row.values[ours].length === 0) return Number.NaN
  return Math.min(...peers.map(name => median(row.values[name]))) / median(row.values[ours])
}

function comparisons(table: Table): { header: string; of: (row: Row) => number }[] {
  if (!table.scaling) return [{ header: 'best peer ÷ ours', of: row => ratio(table, row) }]
  const [first, ...more] = table.subjects
  return more.map(name => ({
    header: `${name} ÷ ${first}`,
    of: row => median(row.values[name]) / median(row.values[first]),
  }))
}

export function markdown(table: Table): string {
  const compared = comparisons(table)
  const header = ['operation', ...table.subjects, ...compared.map(({ header }) => header)]
  const lines = [header, header.map((_, column) => (column === 0 ? '---' : '---:'))]
  for (const row of table.rows) {
    const figures = table.subjects.map(name => formatted(row.values[name], row.unit))
    lines.push([row.operation, ...figures, ...compared.map(({ of }) => significant(of(row)))])
  }
  return `${table.title}\n\n${lines.map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

/** The same for a terminal: columns padded. */
export function plain(table: Table): string {
  const rows = markdown(table)
    .split('\n')
    .filter(line => line.startsWith('|') && !line.startsWith('| ---'))
    .map(line => line.slice(2, -2).split(' | '))
  const widths = rows[0].map((_, column) => Math.max(...rows.map(cells => cells[column].length)))
  const lines = rows.map(cells =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  )
  return `${table.title}\n\n${lines.join('\n')}\n`
}

function formatted(values: number[], unit: Row['unit']): string {
  if (values.length === 0) return '–'
  const value = median(values)
  if (unit === 'bytes') return `${Math.round(value)} B`
  if (unit === 'a second') return `${significant(value / 1e3)} k/s`
  if (value < 1e3) return `${Math.round(value)} ns`
  if (value < 1e6) return `${significant(value / 1e3)} µs`
  return value < 1e9 ? `${significant(value / 1e6)} ms` : `${significant(value / 1e9)} s`
}

/** Three digits at most. */
function significant(value: number): string {
  if (Number.isNaN(value)) return '–'
  if (value >= 100) return value.toFixed(0)
  return value.toFixed(value >= 10 ? 1 : 2)
}
