/**
 * Plays operations on a target and on memory, and compares: what each call answers, the size of the file after each
 * operation, the bytes that were read, and all bytes of the file where the operation asks for it. The first difference is
 * thrown as a `Finding`. The memory is all that a filesystem with one user of these files could hold.
 */

import { ModelFile } from './model-file.ts'
import {
  CAPACITY,
  contentOf,
  FILES,
  type FileName,
  findContent,
  format,
  type Operation,
  operation,
} from './operation.ts'
import type { Target } from './target.ts'

const SEEK_DATA = 3
const SEEK_HOLE = 4
/** Modes of fallocate(2). */
const MODES = { allocate: 0, 'allocate-keep': 1, punch: 3, zero: 16, 'zero-keep': 17 } as const
/** Operations that are remembered to tell where wrong bytes come from. */
const REMEMBERED = 1000
/** Bytes that identify the operation that wrote them. */
const SAMPLE = 8

export class Finding extends Error {}

/** Told of an answer that only an error explains; the operation is then tried again. */
export type OnError = (op: Operation, answer: number | string) => void

export class Player {
  readonly files: Record<FileName, ModelFile> = {
    a: new ModelFile(false),
    b: new ModelFile(false),
    s: new ModelFile(true),
  }
  readonly #target: Target
  readonly #onError: OnError | undefined
  readonly #room = Buffer.alloc(CAPACITY)
  #recent: Operation[] = []

  /** Without `onError` an error is a finding too. */
  constructor(target: Target, onError?: OnError) {
    this.#target = target
    this.#onError = onError
  }

  /** @throws {Finding} at the first thing that is not as it must be */
  play(op: Operation): void {
    if (this.#recent.length === REMEMBERED) this.#recent = this.#recent.slice(REMEMBERED / 2)
    this.#recent.push(op)
    this.#perform(op)
    this.#checkSize(op)
    if (op.check) this.compare(op.file)
  }

  /** Compares all bytes of a file. */
  compare(name: FileName): void {
    const file = this.files[name]
    const length = Math.min(file.size + (file.isWindow ? 0 : SAMPLE), file.room)
    this.#read(name, 0, length, into => this.#target.read(name, 0, into))
  }

  /** All bytes of all files, as they are in the page cache and then without it. */
  finish(): void {
    for (const name of FILES) {
      if (this.files[name].size === 0) continue
      this.compare(name)
      this.play(operation('drop', name, { check: true }))
    }
  }

  #perform(op: Operation): void {
    const { kind, at, length } = op
    const target = this.#target
    const file = this.files[op.file]
    switch (kind) {
      case 'write':
        this.#write(op, bytes => target.write(op.file, at, bytes))
        break
      case 'write-direct':
        this.#write(op, bytes => target.writeDirect(op.file, at, bytes))
        break
      case 'append':
        this.#append(op)
        break
      case 'store':
      case 'store-sync':
        this.#store(op)
        break
      case 'read':
        this.#read(op.file, at, length, into => target.read(op.file, at, into))
        break
      case 'read-direct':
        this.#read(op.file, at, length, into => target.readDirect(op.file, at, into))
        break
      case 'load':
        this.#read(op.file, at, file.inside(at, length), into => target.load(op.file, at, into))
        break
      case 'truncate':
      case 'ftruncate':
        this.#expect(op, 0, () => target.truncate(op.file, at, kind === 'truncate'))
        file.resize(at)
        break
      case 'allocate':
      case 'allocate-keep':
      case 'punch':
      case 'zero':
      case 'zero-keep':
        this.#expect(op, 0, () => target.fallocate(op.file, MODES[kind], at, length))
        if (kind === 'allocate' || kind === 'zero') file.size = Math.max(file.size, at + length)
        if (!kind.startsWith('allocate')) file.bytes.fill(0, at, at + length)
        break
      case 'copy':
        this.#copy(op)
        break
      case 'holes':
        this.#holes(op)
        break
      case 'fsync':
      case 'fdatasync':
        this.#expect(op, 0, () => target.sync(op.file, kind === 'fdatasync'))
        break
      case 'drop':
      case 'reopen':
        this.#expect(op, 0, () => target[kind](op.file))
        break
      case 'renew':
        this.#expect(op, 0, () => target.renew(op.file))
        file.resize(0)
    }
  }

  #write(op: Operation, call: (bytes: Buffer) => number | string): void {
    const bytes = contentOf(op.salt, op.length)
    this.#expect(op, op.length, () => call(bytes))
    this.files[op.file].put(op.at, bytes)
  }

  /** One that answered an error may have been done. */
  #append(op: Operation): void {
    const file = this.files[op.file]
    if (file.size + op.length > file.room) return
    const bytes = contentOf(op.salt, op.length)
    let isAgain = false
    this.#expect(op, op.length, () => {
      if (isAgain && this.#target.size(op.file) === file.size + op.length) return op.length
      isAgain = true
      return this.#target.append(op.file, bytes)
    })
    file.put(file.size, bytes)
  }

  #store(op: Operation): void {
    const file = this.files[op.file]
    const bytes = contentOf(op.salt, file.inside(op.at, op.length))
    if (bytes.length === 0) return
    this.#expect(op, 0, () => this.#target.store(op.file, op.at, bytes, op.kind === 'store-sync'))
    file.put(op.at, bytes)
  }

  #copy(op: Operation): void {
    const file = this.files[op.file]
    const source = this.files[op.source]
    const n = source.inside(op.from, op.length)
    // Behind its end a shared file has what others put there, and a file copied to itself what has just been copied.
    const length = source.isWindow || source === file ? n : op.length
    if (length === 0) return
    const overlaps = op.source === op.file && op.from < op.at + n && op.at < op.from + n
    this.#expect(op, overlaps ? 'EINVAL' : n, () => this.#target.copy(op.source, op.from, op.file, op.at, length))
    if (!overlaps && n > 0) file.put(op.at, Buffer.from(source.bytes.subarray(op.from, op.from + n)))
  }

  /** What is stored through a mapping is known to the server only when it is synced. */
  #holes(op: Operation): void {
    const { bytes, size } = this.files[op.file]
    this.#expect(op, 0, () => this.#target.sync(op.file, false))
    for (let at = 0; at < size; ) {
      const found = this.#target.seek(op.file, at, SEEK_DATA)
      const data = found === 'ENXIO' ? size : Number(found)
      if (!(data >= at && data <= size)) this.#fail(op, `the data behind ${at} of ${op.file} is at ${found}`)
      const wrong = bytes.subarray(at, data).findIndex(byte => byte !== 0)
      if (wrong >= 0) this.#fail(op, `there is data at ${at + wrong} of ${op.file}, in a hole from ${at} to ${data}`)
      if (data === size) break
      at = Number(this.#target.seek(op.file, data, SEEK_HOLE))
      if (!(at > data && at <= size)) this.#fail(op, `the hole behind the data at ${data} of ${op.file} is at ${at}`)
    }
  }

  #expect(op: Operation, expected: number | string, call: () => number | string): void {
    const found = this.#answer(op, expected, call)
    if (found !== expected) this.#fail(op, `answered ${found} instead of ${expected}`)
  }

  /** What the call answers, and where errors are counted only, the first answer that is none. */
  #answer(op: Operation, expected: number | string, call: () => number | string): number | string {
    let found = call()
    while (this.#onError !== undefined && isError(found, expected)) {
      this.#onError(op, found)
      found = call()
    }
    return found
  }

  #checkSize(op: Operation): void {
    const file = this.files[op.file]
    if (file.isWindow && file.size === 0) return
    const found = this.#answer(op, file.size, () => this.#target.size(op.file))
    if (found === file.size || (file.isWindow && Number(found) > file.size)) return
    this.#fail(op, `${op.file} has ${found} bytes instead of ${file.size}`)
  }

  #read(name: FileName, at: number, length: number, call: (into: Buffer) => number | string): void {
    if (length === 0) return
    const op = this.#recent.at(-1)!
    const file = this.files[name]
    const into = this.#room.subarray(0, length)
    const inside = file.inside(at, length)
    const found = this.#answer(op, inside, () => call(into))
    if (!(Number(found) >= inside && (found === inside || file.isWindow))) {
      this.#fail(op, `${length} bytes at ${at} of ${name}: answered ${found} instead of ${inside}`)
    }
    const got = into.subarray(0, Number(found))
    if (got.compare(file.bytes, at, at + got.length) === 0) return
    const wrong = got.findIndex((byte, i) => byte !== file.bytes[at + i])
    const sample = got.subarray(wrong, wrong + SAMPLE)
    this.#fail(
      op,
      `byte ${at + wrong} of ${name} is ${got[wrong]} instead of ${file.bytes[at + wrong]}${this.#origin(sample)}`,
    )
  }

  #origin(sample: Buffer): string {
    if (sample.length < SAMPLE || sample.includes(0)) return ''
    const writer = this.#recent.findLast(op => findContent(op, sample) >= 0)
    if (writer === undefined) return ''
    return ` (byte ${findContent(writer, sample)} of what was written by: ${format(writer)})`
  }

  #fail(op: Operation, what: string): never {
    throw new Finding(`${format(op)}: ${what}`)
  }
}

/** An errno, or less done than asked for. */
function isError(found: number | string, expected: number | string): boolean {
  return found !== expected && (typeof found === 'string' || Number(found) < Number(expected))
}
