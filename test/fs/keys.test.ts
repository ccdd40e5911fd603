/** Keys of numbers: exact, sorted, within their buffer. */
import test from 'ava'
import { keyNumber, NS_INODE, NUMBER_KEY, numberKey } from '../../src/fs/keys.ts'

test('numbers up to 2^53 - 1 come back from their keys, which sort as they do', t => {
  const numbers = [0, 1, 7, 8, 9, 63, 64, 511, 512]
  for (let power = 10; power <= 53; power++) numbers.push(2 ** power - 2, 2 ** power - 1)
  for (let at = 12345; at < 2 ** 53; at = at * 7 + 3) numbers.push(at)
  numbers.sort((a, b) => a - b)
  let before = Buffer.alloc(0)
  for (const number of new Set(numbers)) {
    const key = Buffer.alloc(NUMBER_KEY)
    const length = numberKey(key, NS_INODE, number)
    t.true(length <= NUMBER_KEY)
    t.is(keyNumber(key), number)
    const written = key.subarray(0, length)
    t.true(Buffer.compare(before, written) < 0, `${number}`)
    before = written
  }
})
