/**
 * Child process: keeps a file open that loses its name, and one that never had one, while other files without a name come
 * and go; prints what it finds in them at the end. `nameless-client.ts DIRECTORY MILLISECONDS`
 */
import { constants } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import * as sys from '../support/syscalls.ts'

const { O_CREAT, O_RDWR } = constants
const SIZE = 100_000

const [directory, milliseconds] = process.argv.slice(2)
process.chdir(directory)
const unlinked = sys.open('unlinked', O_CREAT | O_RDWR) as number
sys.write(unlinked, Buffer.alloc(SIZE, 'unlinked '))
sys.unlink('unlinked')
const nameless = sys.open('.', sys.O_TMPFILE | O_RDWR) as number
sys.write(nameless, Buffer.alloc(SIZE, 'nameless '))

const end = Date.now() + Number(milliseconds)
while (Date.now() < end) {
  const other = sys.open('other', O_CREAT | O_RDWR) as number
  sys.write(other, Buffer.alloc(SIZE, 'other '))
  sys.unlink('other')
  sys.close(other)
  sys.close(sys.open('.', sys.O_TMPFILE | O_RDWR) as number)
  await sleep(50)
}
const read = (fd: number) =>
  (sys.pread(fd, SIZE, 0) as Buffer).equals(Buffer.alloc(SIZE, fd === unlinked ? 'unlinked ' : 'nameless '))
const linked = sys.linkat(nameless, '', sys.AT_FDCWD, 'named', sys.AT_EMPTY_PATH)
process.stdout.write(JSON.stringify({ unlinked: read(unlinked), nameless: read(nameless), linked }))
