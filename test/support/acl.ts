/** Access control lists in the kernel's xattr format, put together independently of the code under test. */

export const ACCESS = 'system.posix_acl_access'
export const DEFAULT = 'system.posix_acl_default'

const TAGS = { u: [0x01, 0x02], g: [0x04, 0x08], m: [0x10, 0x10], o: [0x20, 0x20] } as const

/** From text like setfacl takes, entries in order, ids as numbers: `u::rwx,u:7:r,g::rx,m::rwx,o::` */
export function acl(text: string): Buffer {
  const entries = text.split(',').map(entry => {
    const [kind, id, permissions] = entry.split(':')
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(TAGS[kind as keyof typeof TAGS][id === '' ? 0 : 1], 0)
    bytes.writeUInt16LE(
      [...permissions].reduce((sum, letter) => sum | { r: 4, w: 2, x: 1 }[letter]!, 0),
      2,
    )
    bytes.writeUInt32LE(id === '' ? 0xffffffff : Number(id), 4)
    return bytes
  })
  return Buffer.concat([Buffer.from([2, 0, 0, 0]), ...entries])
}

/** The text of a list, as {@link acl} takes it; what is no list comes back as it is. */
export function aclText<T>(list: Buffer | T): string | T {
  if (!Buffer.isBuffer(list)) return list
  const entries: string[] = []
  for (let at = 4; at < list.length; at += 8) {
    const tag = list.readUInt16LE(at)
    const named = Object.entries(TAGS).find(([, tags]) => (tags as readonly number[]).includes(tag))
    const id = list.readUInt32LE(at + 4)
    const permissions = list.readUInt16LE(at + 2)
    const letters = ['r', 'w', 'x'].filter((_, i) => (permissions >> (2 - i)) & 1).join('')
    entries.push(`${named?.[0] ?? tag}:${id === 0xffffffff ? '' : id}:${letters}`)
  }
  return entries.join(',')
}
