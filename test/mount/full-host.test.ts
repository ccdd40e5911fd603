/**
 * A store on a host that has no space left: what was acknowledged is kept, what cannot be done says ENOSPC, removing works,
 * and what it frees can be written again. Also when the server is killed and started while the host is full.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest from 'ava'
import { canMount, cleanUp, RealMount, run, sh, succeed } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
const hosts: string[] = []
anyTest.after.always(async () => {
  for (const host of hosts) await run('umount', ['-l', host])
  await cleanUp()
})

/** Fills the host with bytes, then with names until the last does not fit; prints how many names were made. */
const FILL = `
  if dd if=/dev/zero of=big bs=1M 2> /dev/null; then exit 1; fi
  if dd if=/dev/zero of=last bs=4k 2> /dev/null; then exit 1; fi
  n=0
  while [ $n -lt 20000 ] && (echo content $n > names/$n) 2> /dev/null; do n=$((n + 1)); done
  echo $n`

for (const kind of ['tmpfs', 'ext4']) {
  test(`nothing is lost on a full ${kind}, and freed space can be used`, async t => {
    t.timeout(300_000)
    const mount = new RealMount(`full ${kind}`)
    const host = join(mount.directory, 'store')
    mkdirSync(host)
    if (kind === 'tmpfs') await succeed('mount', ['-t', 'tmpfs', '-o', 'size=32M', 'tmpfs', host])
    else {
      const image = join(mount.directory, 'image')
      await succeed('truncate', ['-s', '48M', image])
      if (
        (await run('mkfs.ext4', ['-q', image])).code !== 0 ||
        (await run('mount', ['-o', 'loop', image, host])).code !== 0
      ) {
        t.log('no ext4 on a loop device here')
        t.pass()
        return
      }
      await sh('rmdir lost+found', host)
    }
    hosts.unshift(host)
    await mount.mount()
    await sh(
      'mkdir names kept; for i in $(seq 200); do echo kept $i > kept/$i; done; head -c 3M /dev/urandom > bytes',
      mount.path,
    )
    const before = await sh('sha1sum bytes kept/*', mount.path)
    const names = Number(await sh(FILL, mount.path))
    t.true(names < 20_000, 'the host is full')
    const full = await sh('cat names/* | wc -l; stat -c %s big last', mount.path)
    t.is((await run('mkdir', [join(mount.path, 'no')])).code, 1)

    await mount.kill()
    await mount.detach()
    await mount.mount()
    t.is(await sh('cat names/* | wc -l; stat -c %s big last', mount.path), full, 'the same after a kill')
    t.is(await sh('sha1sum bytes kept/*', mount.path), before)

    await sh('rm -r names kept/1 kept/2; truncate -s 10 bytes; rm big last', mount.path)
    for (let i = 0; i < 50 && (await run('mkdir', [join(mount.path, 'again')])).code !== 0; i++) await sleep(200)
    await sh('head -c 8M /dev/zero > again/big; for i in $(seq 500); do echo $i > again/$i; done', mount.path)
    t.is(await sh('cat kept/* | wc -l; stat -c %s bytes', mount.path), '198\n10\n')
    await mount.umount()
    await mount.check()
  })
}
