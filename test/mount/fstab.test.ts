/** Mounting through mount(8): by type, from a line in /etc/fstab, as root and as a user, and changing a mount with remount. */
import anyTest from 'ava'
import { endMachines, PrivateMachine, ROOT, USER, whyNot } from './private-machine.ts'

const test = whyNot === '' ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(endMachines)
if (whyNot !== '') anyTest('mounting through mount(8)', t => t.pass(`left out: ${whyNot}`))

test('mount -t fuse.holtfs takes options for the kernel, for the server and for others', async t => {
  const machine = await PrivateMachine.start()
  await machine.mkdir(ROOT, 'mnt')
  const options = 'noatime,nosuid,workers=3,durability=async,pool=16M,_netdev,noauto,x-systemd.automount,comment=hello'
  await machine.ok(ROOT, `mount -t fuse.holtfs store mnt -o ${options}`)
  t.regex(await machine.mounted('mnt'), /^fuse\.holtfs rw,nosuid,noatime,.*default_permissions,allow_other/)
  const server = await machine.ok(ROOT, 'read pid < store/lock; tr "\\0" " " < /proc/$pid/cmdline')
  t.regex(server, /workers\W+3\b/)
  t.regex(await machine.ok(ROOT, 'holtfs stats store'), /\ntree\.poolFrames +32\n/, '16 MB are 32 frames')
  await machine.ok(ROOT, 'echo text > mnt/a; umount mnt')
  await machine.quiet()

  await machine.ok(ROOT, 'mount -r -t fuse.holtfs store mnt')
  t.regex((await machine.as(ROOT, 'cat mnt/a; echo more > mnt/a')).err, /Read-only/)
  const back = await machine.as(ROOT, 'mount -o remount,rw mnt')
  t.is(back.code, 32)
  t.regex(back.err, /mounted read-only from its beginning: unmount it/)
  await machine.ok(ROOT, 'holtfs umount mnt')

  for (const [command, code, message] of [
    ['store mnt -o workers=0', 1, /whole number from 1 to 64/],
    ['store mnt -o durability=never', 1, /process, sync, async/],
    ['store absent', 32, /absent/],
    ['store mnt -o fd=7', 32, /fd cannot be given/],
  ] as const) {
    const { code: exit, err } = await machine.as(ROOT, `mount -t fuse.holtfs ${command}`)
    t.is(exit, code, command)
    t.regex(err, message)
  }
  await machine.ok(ROOT, 'mount -f -t fuse.holtfs store mnt')
  t.is(await machine.mounted('mnt'), '', 'mount -f only pretends')
})

test('lines of /etc/fstab: mount MNT, mount -a, and a user where the line says so', async t => {
  const machine = await PrivateMachine.start()
  await machine.mkdir(ROOT, 'one', 'two')
  await machine.mkdir(USER, 'his')
  const { home } = machine
  const escaped = (name: string) => `${home}/${name}`.replaceAll(' ', '\\040')
  machine.fstab(
    `${escaped('store-1')} ${escaped('one')} fuse.holtfs defaults,_netdev,nofail,x-gvfs-show,workers=2 0 0`,
    `${escaped('store-2')} ${escaped('two')} fuse.holtfs noauto,ro 0 0`,
    `${escaped('store-3')} ${escaped('his')} fuse.holtfs noauto,user,exec,noatime 0 0`,
  )
  await machine.ok(ROOT, 'mount -a')
  t.regex(await machine.mounted('one'), /^fuse\.holtfs rw,/)
  t.is(await machine.mounted('two'), '', 'noauto')
  await machine.ok(ROOT, 'mount -a')
  await machine.ok(ROOT, 'echo kept > one/a; umount one')
  await machine.quiet()
  await machine.ok(ROOT, 'mv store-1 store-2; mount two')
  t.regex(await machine.mounted('two'), /^fuse\.holtfs ro,/)
  t.is(await machine.ok(ROOT, 'cat two/a; umount two'), 'kept\n')

  t.not((await machine.as(USER, 'mount "$PWD/one"')).code, 0, 'not for users')
  await machine.ok(USER, 'mount "$PWD/his"')
  t.regex(await machine.mounted('his'), /^fuse\.holtfs rw,nosuid,nodev,noatime,user_id=65534,group_id=65534,/)
  t.is(await machine.ok(USER, 'echo mine > his/a; stat -c %u his/a; umount "$PWD/his"'), '65534\n')
  t.is(await machine.mounted('his'), '')
  await machine.quiet()
})

test('remount,ro refuses changes and keeps the server; remount,rw permits them again', async t => {
  const machine = await PrivateMachine.start()
  await machine.mkdir(ROOT, 'mnt')
  await machine.ok(ROOT, 'holtfs mount store mnt -o nodev; echo one > mnt/a')
  const before = await machine.ok(ROOT, 'cat store/lock')
  await machine.ok(ROOT, 'mount -o remount,ro mnt')
  t.regex(await machine.mounted('mnt'), /^fuse\.holtfs ro,.*nodev/)
  for (const change of ['echo two >> mnt/a', 'rm mnt/a', 'mkdir mnt/d', 'chmod 600 mnt/a']) {
    t.regex((await machine.as(ROOT, change)).err, /Read-only file system/, change)
  }
  t.is(await machine.ok(ROOT, 'cat mnt/a'), 'one\n')
  const busy = machine.spawn(
    ROOT,
    'mount -o remount,rw,noexec mnt && exec 3>> mnt/a && echo opened && read && echo two >&3',
  )
  await new Promise(resolve => busy.stdout?.once('data', resolve))
  t.regex(await machine.mounted('mnt'), /^fuse\.holtfs rw,.*noexec/)
  const refused = await machine.as(ROOT, 'mount -o remount,ro mnt')
  t.is(refused.code, 32)
  t.regex(refused.err, /busy/, 'a file is open for writing')
  busy.stdin?.end('\n')
  await new Promise(resolve => busy.once('close', resolve))
  const setting = await machine.as(ROOT, 'mount -o remount,ro,workers=2 mnt')
  t.regex(setting.err, /workers cannot be changed by a remount/)
  t.is(await machine.ok(ROOT, 'cat mnt/a store/lock'), `one\ntwo\n${before}`)
  await machine.ok(ROOT, 'holtfs umount mnt; holtfs check store')
})
