/**
 * The directory that the differential suite compares with: a fresh ext4 on a loop device, or tmpfs where that cannot be had.
 * Mounted noatime, as our mounts behave.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { run, succeed } from '../mount/real-mount.ts'

/** Lets values of extended attributes be as long as ours. */
const FEATURES = 'ea_inode'
const IMAGE_SIZE = '4G'

export class PlainDirectory {
  readonly path: string
  readonly kind: string
  readonly #mounted: boolean

  private constructor(path: string, kind: string, mounted: boolean) {
    this.path = path
    this.kind = kind
    this.#mounted = mounted
  }

  /** Makes one below `scratch`; HOLTFS_PLAIN names another that exists. */
  static async make(scratch: string): Promise<PlainDirectory> {
    const given = process.env.HOLTFS_PLAIN
    if (given !== undefined) return new PlainDirectory(given, given, false)
    const path = join(scratch, 'plain')
    mkdirSync(path)
    const image = join(scratch, 'image')
    await succeed('truncate', ['-s', IMAGE_SIZE, image])
    const made = await run('mkfs.ext4', ['-q', '-O', FEATURES, '-E', 'lazy_itable_init=1', image])
    const mounted = made.code === 0 && (await run('mount', ['-o', 'loop,noatime', image, path])).code === 0
    if (!mounted) await succeed('mount', ['-t', 'tmpfs', '-o', 'noatime', 'tmpfs', path])
    return new PlainDirectory(path, mounted ? 'ext4' : 'tmpfs', true)
  }

  async remove(): Promise<void> {
    if (this.#mounted) await run('umount', ['-l', this.path])
  }
}
