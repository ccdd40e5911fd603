/**
 * The options behind -o, as mount(8) and /etc/fstab write them: some are settings of the server, some are for programs that
 * read /etc/fstab, the others are for the kernel.
 */
import { MOST_WORKERS } from '../fs/worker-count.ts'
import { DURABILITIES, type Durability } from '../journal/durability.ts'
import { FRAME_SIZE, MAX_POOL_FRAMES, MIN_POOL_FRAMES } from '../limits.ts'
import { byteSize, oneOf, wholeNumber } from './arguments.ts'

export const TRANSPORTS = ['builtin', 'fuse-native'] as const

export const parseWorkers = wholeNumber(1, MOST_WORKERS)
export const parsePool = byteSize(MIN_POOL_FRAMES * FRAME_SIZE, MAX_POOL_FRAMES * FRAME_SIZE)

export interface MountOptions {
  /** For mount(8), in order. */
  kernel: string[]
  readOnly?: boolean
  workers?: number
  durability?: Durability
  pool?: number
  transport?: (typeof TRANSPORTS)[number]
}

/** For mount(8), systemd and others who look through /etc/fstab. */
const FOR_OTHERS =
  /^(defaults|(no)?(auto|user|users|owner|group|fail)|_netdev|(user|comment|helper|uhelper)=.*|[xX]-.*)$/

/** Adds one comma-separated list to what came before; the last of two that contradict each other holds. */
export function parseMountOptions(list: string, before: MountOptions): MountOptions {
  const options = { ...before, kernel: [...before.kernel] }
  for (const item of list.split(',')) {
    const equals = item.indexOf('=')
    const value = item.slice(equals + 1)
    switch (equals < 0 ? item : item.slice(0, equals + 1)) {
      case 'ro':
      case 'rw':
        options.readOnly = item === 'ro'
        break
      case 'workers=':
        options.workers = parseWorkers(value)
        break
      case 'durability=':
        options.durability = oneOf(DURABILITIES)(value)
        break
      case 'pool=':
        options.pool = parsePool(value)
        break
      case 'transport=':
        options.transport = oneOf(TRANSPORTS)(value)
        break
      default:
        if (item !== '' && !FOR_OTHERS.test(item)) options.kernel.push(item)
    }
  }
  return options
}
