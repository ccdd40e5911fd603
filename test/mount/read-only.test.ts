/**
 * A store that is mounted read-only: nothing in its directory changes, every change is answered EROFS, several mounts of it go
 * at once, and one whose server was killed is shown with its log.
 */
import { join } from 'node:path'
import anyTest from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, holtfs, RealMount, run, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Every name in the store with type, mode, owner, size, times and bytes. */
function fingerprint({ store }: RealMount): Promise<string> {
  return sh(
    `find . -printf '%P %y %m %u %g %s %T@ %C@ %l\\n' | sort
     find . -type f -print0 | sort -z | xargs -0 -r sha256sum`,
    store,
  )
}

/** Each would change something. */
const CHANGES = [
  'echo > new',
  'echo >> small',
  ': > small',
  'dd if=/dev/zero of=large bs=1 count=1 conv=notrunc',
  'truncate -s 5 large',
  'truncate -s 5000000 small',
  'mkdir new',
  'rmdir empty',
  'rm -f small',
  'mv small other',
  'ln small other',
  'ln -s small other',
  'mkfifo other',
  'mknod other c 1 3',
  'chmod 600 small',
  'chown 1 small',
  'chown -h 1 link',
  'touch small',
  'touch -a small',
  'touch -h link',
]

/** Tries all changes; returns those that were not answered EROFS. */
function notRefused(directory: string): Promise<string> {
  const tries = CHANGES.map(
    change => `[[ $( (${change}) 2>&1 || true) == *'Read-only file system'* ]] || echo '${change}'`,
  )
  return sh(tries.join('\n'), directory)
}

test('nothing changes in the store, every change answers EROFS, two mounts go at once', async t => {
  const mount = new RealMount('read-only')
  await mount.mount()
  await sh(
    `echo text > small; head -c 300000 /dev/urandom > large; mkdir -p d/e empty; echo deep > d/e/f
     ln -s small link; ln small hard; (exec 3> gone; rm gone; echo >&3)`,
    mount.path,
  )
  const content = await sh('sha256sum small large d/e/f hard; readlink link; ls -lR | sort', mount.path)
  await mount.umount()
  const before = await fingerprint(mount)

  const second = new RealMount('read-only').path
  await mount.mount('--read-only', '--workers', '2')
  t.is((await holtfs('mount', mount.store, second, '-o', 'ro')).err, '')
  for (const path of [mount.path, second]) {
    t.is(await sh('sha256sum small large d/e/f hard; readlink link; ls -lR | sort', path), content)
    t.is(await sh('sync; find . | wc -l; stat -f -c %l .', path), '9\n255\n')
  }
  t.is(await notRefused(mount.path), '')
  // The server itself refuses too: let the kernel pass changes on.
  await sh('mount -i -o remount,rw .', second)
  t.is(await notRefused(second), '')
  t.regex((await holtfs('mount', mount.store, mount.directory)).err, /would hide|in use/)
  await sh('mkdir third', mount.directory)
  t.regex((await holtfs('mount', mount.store, join(mount.directory, 'third'))).err, /in use .*perhaps read-only/)
  t.is((await holtfs('stats', mount.path)).code, 0)
  t.is(await fingerprint(mount), before)

  await mount.umount()
  t.is(await sh('cat small', second), 'text\n', 'the other goes on')
  t.deepEqual(await holtfs('umount', second), { code: 0, out: '', err: '' })
  t.is(await fingerprint(mount), before)
  await mount.mount()
  t.is(await sh('cat d/e/f', mount.path), 'deep\n', 'the last reader has let go of the store')
  await mount.umount()
  await mount.check()
})

test('a store whose server was killed is shown with its log, and left as it is', async t => {
  const mount = new RealMount('read-only')
  await mount.mount()
  await sh(
    'for i in $(seq 300); do echo $i > f$i; done; head -c 300000 /dev/urandom > large; rm f7; mv f8 g8',
    mount.path,
  )
  const sums = await sh('sha256sum *', mount.path)
  await mount.kill()
  await mount.detach()
  const before = await fingerprint(mount)
  t.regex(before, /wal\/\d+\.wal f/)
  await mount.mount('--read-only')
  t.is(await sh('sha256sum *', mount.path), sums)
  await mount.umount()
  t.is(await fingerprint(mount), before)
  await mount.mount()
  t.is(await sh('sha256sum *', mount.path), sums)
  await mount.umount()
})

test('what is no filesystem cannot be mounted read-only, and is left as it is', async t => {
  const mount = new RealMount('read-only')
  const script = `import { openTree } from '${join(PROJECT, 'dist/index.js')}'
    const tree = openTree(process.argv[1]); tree.put('a', 'b'); tree.close()`
  t.is((await run(process.execPath, ['--input-type=module', '-e', script, mount.store])).code, 0)
  const before = await fingerprint(mount)
  const { code, err } = await holtfs('mount', '--read-only', mount.store, mount.path)
  t.is(code, 1)
  t.regex(err, /^holtfs: .*holds no filesystem: [^\n]+\n$/)
  t.is(await fingerprint(mount), before)
})
