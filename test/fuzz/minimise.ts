/** Makes an input that shows a mistake smaller while it goes on showing the same one. */
import type { Input, Part } from './input.ts'
import type { Target } from './target.ts'

/** What stays the same when numbers and places do not: the first two lines without their digits. */
function kindOf(problem: string): string {
  return problem.split('\n').slice(0, 2).join(' ').replaceAll(/\d+/g, '#')
}

/** Tries until `end` (performance.now) at most. */
export function minimised(
  target: Target,
  input: Input,
  problem: string,
  problemWith: (input: Input) => string,
  end: number,
): Input {
  const kind = kindOf(problem)
  const stillShows = (candidate: Input) => performance.now() < end && kindOf(problemWith(candidate)) === kind
  let best = input
  if (target.isList) best = withoutParts(best, stillShows)
  for (let i = 0; i < best.length; i++) {
    if (target.isMutable(best[i])) best = withSmallerPart(target, best, i, stillShows)
  }
  return best
}

function withoutParts(input: Input, stillShows: (input: Input) => boolean): Input {
  let best = input
  for (let size = best.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < best.length; ) {
      const fewer = [...best.slice(0, at), ...best.slice(at + size)]
      if (fewer.length > 0 && stillShows(fewer)) best = fewer
      else at += size
    }
  }
  return best
}

/** Zeros where bytes do not matter, and nothing behind what does. */
function withSmallerPart(target: Target, input: Input, index: number, stillShows: (input: Input) => boolean): Input {
  let best = input
  const attempt = (change: (bytes: Buffer) => Buffer): boolean => {
    const part: Part = { name: best[index].name, bytes: change(Buffer.from(best[index].bytes)) }
    const candidate = best.map((other, i) => (i === index ? part : other))
    target.repair(part, candidate)
    if (part.bytes.equals(best[index].bytes) || !stillShows(candidate)) return false
    best = candidate
    return true
  }
  for (let size = best[index].bytes.length >> 1; size >= 8; size >>= 1) {
    while (best[index].bytes.length > size && attempt(bytes => bytes.subarray(0, bytes.length - size)));
  }
  for (let size = best[index].bytes.length >> 1; size >= 8; size >>= 1) {
    for (let at = 0; at < best[index].bytes.length; at += size)
      attempt(bytes => bytes.fill(0, at, Math.min(at + size, bytes.length)))
  }
  return best
}
