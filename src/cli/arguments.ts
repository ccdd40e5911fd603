/** Parsers of option values for commander: each returns the value or throws InvalidArgumentError with the range. */
import { InvalidArgumentError } from 'commander'

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

/** A parser of paths. An empty one, as an unset variable of a script leaves it, would mean the working directory. */
export function givenPath(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('Give a path.')
}

/** A parser of whole numbers from `least` to `most`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return text => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
  }
}

/** A parser of sizes in bytes, with K, M or G (powers of 1024), from `least` to `most` bytes. */
export function byteSize(least: number, most: number): (text: string) => number {
  return text => {
    const match = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text)
    const value = match === null ? Number.NaN : Number(match[1]) * UNITS[match[2].toUpperCase()]
    if (value >= least && value <= most) return value
    throw new InvalidArgumentError(`Give a size from ${mebibytes(least)} to ${mebibytes(most)}, such as 256M or 1G.`)
  }
}

/** A parser of one of a few words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return text => {
    const word = words.find(candidate => candidate === text)
    if (word !== undefined) return word
    throw new InvalidArgumentError(`Give one of ${words.join(', ')}.`)
  }
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)}M`
}
