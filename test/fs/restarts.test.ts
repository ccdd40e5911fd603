/** What the ends of servers mean: a request in hand at several is refused and no other; only servers that never come to serve end it. */
import test from 'ava'
import { InHand } from '../../src/fs/fuse/in-hand.ts'
import { Restarts } from '../../src/fs/restarts.ts'

/** What worker 0 noted: requests begun and come through, and last one that was only begun. */
function notes(done: number[], begun?: number): InHand {
  const inHand = new InHand()
  const words = [...done.flatMap(request => [0, request, 2 ** 31, 0, 0, 0]), ...(begun ? [0, begun, 2 ** 31] : [])]
  const bytes = Buffer.from(Uint32Array.from(words).buffer)
  // In pieces, as a pipe may hand them over.
  for (let at = 0; at < bytes.length; at += 5) inHand.take(bytes.subarray(at, at + 5))
  return inHand
}

const killed = { served: 0, isKilled: true }
const crashed = { served: 0, isKilled: false }

test('a request is refused when servers that had it in hand crash twice or are killed six times', t => {
  for (const [end, times] of [
    [crashed, 2],
    [killed, 6],
  ] as const) {
    const restarts = new Restarts()
    for (let i = 1; i < times; i++) t.is(restarts.ended({ ...end, inHand: notes([8, 10], 12) }).newlyRefused, 0)
    t.is(restarts.ended({ ...end, inHand: notes([], 12) }).newlyRefused, 1)
    t.deepEqual(restarts.refused, [12])
  }
})

test('a request that came through starts anew', t => {
  const restarts = new Restarts()
  for (let i = 0; i < 5; i++) {
    restarts.ended({ ...crashed, inHand: notes([], 12) })
    restarts.ended({ ...crashed, inHand: notes([12]) })
  }
  t.deepEqual(restarts.refused, [])
})

test('servers that serve may end as often as they like, and are followed at once', t => {
  const restarts = new Restarts()
  for (let i = 0; i < 1000; i++) {
    const end = i % 2 === 0 ? { ...killed, served: 300, inHand: notes([]) } : { ...crashed, inHand: notes([2 * i]) }
    const { isHopeless, pause } = restarts.ended(end)
    t.false(isHopeless)
    t.is(pause, 0)
  }
})

test('after 8 that fail, or 24 that are killed, before they serve there is no hope; pauses grow to 2 s', t => {
  for (const [end, times] of [
    [crashed, 8],
    [killed, 24],
  ] as const) {
    const restarts = new Restarts()
    const decisions = Array.from({ length: times }, () => restarts.ended({ ...end, inHand: notes([]) }))
    t.is(
      decisions.findIndex(({ isHopeless }) => isHopeless),
      times - 1,
    )
    t.deepEqual(
      decisions.slice(0, 7).map(({ pause }) => pause),
      [0, 100, 200, 400, 800, 1600, 2000],
    )
  }
})
