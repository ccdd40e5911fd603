/**
 * The tools that people use on extended attributes and access control lists do the same on a mount as on a plain directory
 * (where they are installed), and what they set survives a restart. How many requests of the kernel these cost.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { canMount, cleanUp, holtfs, RealMount, sh } from './real-mount.ts'

const TOOLS = ['setfacl', 'getfacl', 'setfattr', 'getfattr', 'tar', 'cp']
const missing = TOOLS.filter(tool => spawnSync('which', [tool]).status !== 0)
const test = canMount ? anyTest.serial : anyTest.serial.skip
const testWithTools = missing.length === 0 ? test : anyTest.serial.skip
anyTest.after.always(cleanUp)

const SET = `
umask 022
mkdir -p tree/sub; echo text > tree/file; echo more > tree/sub/other; mkfifo tree/pipe; ln -s file tree/link
setfacl -m u:1000:rwx,g:2000:r,m::rx tree/file
setfacl -d -m u:1000:rwx,o::- tree/sub
setfacl -R -m g:3000:rX tree
echo made > tree/sub/inherits; mkdir tree/sub/deep; chmod 750 tree/sub/deep; chmod g-w tree/file
setfattr -n user.comment -v 'some words' tree/file tree/sub
setfattr -n trusted.secret -v 0x00ff tree/sub/other
setfattr -x user.comment tree/sub
mv tree/file tree/sub/moved; ln tree/sub/moved tree/again
cp -a tree copy
tar --acls --xattrs --xattrs-include='*' -cf tree.tar tree; mkdir out; tar --acls --xattrs --xattrs-include='*' -xf tree.tar -C out
mkdir restored; getfacl -R tree > lists; cp -r tree restored/; (cd restored; setfacl --restore=../lists)
setfacl -b copy/sub/moved; setfacl -k copy/sub
`
const SEE = `
find tree copy out restored | sort > names
while read -r name; do getfacl -P -n "$name"; getfattr -h -d -m - "$name"; done < names
rm names
find . -printf '%P %M %n %l\\n' | sort
`

const absent = missing.length === 0 ? '' : ` (not installed: ${missing.join(', ')})`
testWithTools(`setfacl, getfacl, setfattr, getfattr, cp and tar${absent}`, async t => {
  const mount = new RealMount('tools')
  await mount.mount()
  const plain = join(mount.directory, 'plain')
  mkdirSync(plain)
  await sh(SET, plain)
  await sh(SET, mount.path)
  const seen = await sh(SEE, mount.path)
  t.is(seen, await sh(SEE, plain))
  t.regex(seen, /user:1000:rwx/)
  await mount.checkBetween()
  t.is(await sh(SEE, mount.path), seen, 'the same after a restart')
  await sh('rm -rf -- *', mount.path)
  await mount.checkBetween('--read-only')
  await mount.umount()
})

test('what is asked about attributes that are not there', async t => {
  const mount = new RealMount('asked')
  await mount.mount()
  const asked = async (script: string) => {
    const before = await requests(mount)
    await sh(script, mount.path)
    return (await requests(mount)) - before
  }
  t.is(
    await asked('echo a > f; for i in $(seq 20); do echo a >> f; done'),
    1,
    'the first write asks for a capability, no other',
  )
  const again = await asked('for i in $(seq 20); do echo a >> f; done')
  t.true(again <= 1, 'once more at most where the attributes were refreshed')
  const list = `python3 -c "import os
for _ in range(20):
  try: os.getxattr('f', 'system.posix_acl_access')
  except OSError as e: assert e.errno == 61"`
  t.true((await asked(list)) <= 1, 'the kernel remembers that there is no access control list')
  t.is(await asked(list), 0)
  await mount.umount()
})

/** GETXATTR and LISTXATTR requests so far. */
async function requests(mount: RealMount): Promise<number> {
  const { out } = await holtfs('stats', '--json', mount.path)
  const counts = JSON.parse(out).requests as Record<string, number>
  return (counts.GETXATTR ?? 0) + (counts.LISTXATTR ?? 0)
}
