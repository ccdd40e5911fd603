/**
 * Mounting as a user who is not root, through fusermount3: whose the files are, who may look and who may unmount, every way
 * out, and what is said when it cannot be.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest, { type ExecutionContext } from 'ava'
import { endMachines, PrivateMachine, ROOT, STRANGER, USER, whyNot } from './private-machine.ts'

const test = whyNot === '' ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(endMachines)
if (whyNot !== '') anyTest('mounting as a user', t => t.pass(`left out: ${whyNot}`))

async function machineWithMountPoint(): Promise<PrivateMachine> {
  const machine = await PrivateMachine.start()
  await machine.mkdir(USER, 'mnt')
  return machine
}

async function says(t: ExecutionContext, machine: PrivateMachine, uid: number, script: string, what: RegExp) {
  const { code, out, err } = await machine.as(uid, script)
  t.is(code, 1, `${script}: ${out}${err}`)
  t.regex(err, what)
  t.regex(err, /^holtfs: [^\n]+\n$/)
}

test('a user mounts his store: the files are his, nobody else gets in, and he unmounts it', async t => {
  const machine = await machineWithMountPoint()
  await machine.ok(USER, 'holtfs mount "st, o\\\\re" mnt -o noatime')
  const options = await machine.mounted('mnt')
  t.regex(options, /^fuse\.holtfs .*nosuid.*nodev.*noatime.*user_id=65534.*default_permissions/)
  t.notRegex(options, /allow_other/)
  t.is(
    await machine.ok(
      USER,
      'stat -c "%a %u %g" mnt; umask 027; echo text > mnt/a; mkdir mnt/d; stat -c "%a %u %g" mnt/*',
    ),
    '755 65534 65534\n640 65534 65534\n750 65534 65534\n',
  )
  t.is(await machine.ok(USER, 'stat -c %a st*; find st* -perm /077; stat -c %a st*/control.sock'), '700\n600\n')
  t.regex((await machine.as(USER, 'chown 1 mnt/a')).err, /not permitted/)
  for (const uid of [ROOT, STRANGER]) t.regex((await machine.as(uid, 'ls mnt')).err, /Permission denied/)
  t.regex(await machine.ok(USER, 'holtfs stats mnt'), /\nrequests\.all +\d/)

  await says(t, machine, STRANGER, 'holtfs umount mnt', /mounted by user 65534: only that user and root/)
  for (const command of ['umount mnt', 'fusermount3 -u mnt']) t.not((await machine.as(STRANGER, command)).code, 0)
  t.not(await machine.mounted('mnt'), '')
  for (const [uid, command] of [
    [USER, 'holtfs umount mnt'],
    [USER, 'umount mnt'],
    [USER, 'fusermount3 -u mnt'],
    [ROOT, 'holtfs umount mnt'],
  ] as const) {
    await machine.ok(uid, command)
    t.is(await machine.mounted('mnt'), '')
    if (command === 'holtfs umount mnt') t.deepEqual(machine.processes(), [], 'it has waited for the server')
    await machine.quiet()
    await machine.ok(USER, 'holtfs check st*')
    await machine.ok(USER, 'holtfs mount st* mnt')
    t.is(await machine.ok(USER, 'cat mnt/a'), 'text\n')
  }
  await machine.ok(USER, 'holtfs umount mnt')
})

test('others get in when it is asked for and /etc/fuse.conf permits it, and permissions hold for them', async t => {
  const machine = await machineWithMountPoint()
  await says(
    t,
    machine,
    USER,
    'holtfs mount store mnt -o allow_other',
    /root permits it .* user_allow_other in \/etc\/fuse\.conf/,
  )
  machine.fuseConf('user_allow_other\n')
  await machine.ok(USER, 'holtfs mount store mnt -o allow_other')
  t.regex(await machine.mounted('mnt'), /default_permissions.*allow_other/)
  await machine.ok(
    USER,
    'echo open > mnt/open; echo shut > mnt/shut; chmod 600 mnt/shut; mkdir mnt/all; chmod 1777 mnt/all',
  )
  t.is(await machine.ok(STRANGER, 'cat mnt/open; echo his > mnt/all/his; stat -c "%u %g" mnt/all/his'), 'open\n1 1\n')
  for (const script of ['cat mnt/shut', 'echo > mnt/new', 'echo > mnt/open', 'rm -f mnt/open', 'chmod 777 mnt/open']) {
    t.regex((await machine.as(STRANGER, script)).err, /Permission denied|not permitted/, script)
  }
  t.regex((await machine.as(USER, 'rm -f mnt/all/his && mv mnt/all mnt/gone')).err, /^$/, 'the directory is his')
  await machine.ok(USER, 'holtfs umount mnt')
})

test('every way out of a mount by a user', async t => {
  t.timeout(120_000)
  const machine = await machineWithMountPoint()
  const supervisor = () => machine.ok(USER, 'cat store/lock').then(Number)
  await machine.ok(USER, 'holtfs mount store mnt; echo kept > mnt/kept')

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.kill(await supervisor(), signal)
    await machine.quiet()
    t.is(await machine.mounted('mnt'), '', signal)
    await machine.ok(USER, 'holtfs mount store mnt')
  }

  // The server alone is replaced, where the kernel can do that; when all processes are killed, the mount is dead.
  const stays = await supervisor()
  for (const pid of machine.processes()) if (pid !== stays) process.kill(pid, 'SIGKILL')
  await machine.as(USER, 'cat mnt/kept')
  for (const pid of machine.processes()) process.kill(pid, 'SIGKILL')
  await machine.quiet()
  t.regex((await machine.as(USER, 'cat mnt/kept')).err, /not connected|connection abort/)
  await says(t, machine, USER, 'holtfs mount store mnt', /already a fuse\.holtfs mount of .*; unmount it first/)
  await machine.ok(USER, 'holtfs umount mnt; holtfs check store; holtfs mount store mnt')

  // With a file open: where fusectl is mounted the connection is ended at once, elsewhere the process ends itself.
  for (const fusectl of [true, false]) {
    if (fusectl) await machine.ok(ROOT, 'mount -t fusectl none /sys/fs/fuse/connections')
    else await machine.ok(ROOT, 'umount /sys/fs/fuse/connections')
    const reader = machine.spawn(USER, 'exec 3> mnt/open; echo opened; read; echo late >&3')
    await new Promise(resolve => reader.stdout?.once('data', resolve))
    const busy = await machine.as(USER, 'holtfs umount mnt')
    t.regex(busy.err, /busy.*--lazy/i)
    const begun = Date.now()
    process.kill(await supervisor(), 'SIGTERM')
    while (machine.processes().some(pid => pid !== reader.pid && Date.now() - begun < 30_000)) {
      if ((await machine.mounted('mnt')) === '' && machine.processes().every(pid => pid === reader.pid)) break
      await sleep(50)
    }
    const took = Date.now() - begun
    t.true(fusectl ? took < 8000 : took < 20_000, `fusectl ${fusectl}: ${took} ms`)
    let said = ''
    reader.stderr?.on('data', text => {
      said += text
    })
    reader.stdin?.end('\n')
    await new Promise(resolve => reader.once('close', resolve))
    t.regex(said, /not connected|connection abort/)
    await machine.ok(USER, 'holtfs check store; holtfs mount store mnt')
    t.is(await machine.ok(USER, 'cat mnt/kept'), 'kept\n')
  }

  const lazy = machine.spawn(USER, 'exec 3<> mnt/open; echo opened; read; echo late >&3; cat mnt/kept')
  await new Promise(resolve => lazy.stdout?.once('data', resolve))
  await machine.ok(USER, 'holtfs umount --lazy mnt')
  lazy.stdin?.end('\n')
  await machine.quiet()
  await machine.ok(USER, 'holtfs mount store mnt')
  t.is(await machine.ok(USER, 'cat mnt/open'), 'late\n')
  await machine.ok(USER, 'holtfs umount mnt')
})

test("somebody else's store, one that others can change, and links inside one are refused", async t => {
  const machine = await machineWithMountPoint()
  await machine.ok(USER, 'holtfs mount store mnt; head -c 20000 /dev/urandom > mnt/large; holtfs umount mnt')
  await machine.mkdir(ROOT, 'roots', 'mnt-root')
  for (const command of ['mount store mnt-root', 'mount --read-only store mnt-root', 'mount -f store mnt-root']) {
    await says(t, machine, ROOT, `holtfs ${command}`, /store belongs to user 65534, not to you \(0\)/)
  }
  await says(t, machine, USER, 'holtfs mount roots mnt', /roots belongs to user 0, not to you \(65534\)/)

  await machine.ok(USER, 'chmod 770 store')
  await says(t, machine, USER, 'holtfs mount store mnt', /others may write to the store .*chmod 700/)
  await machine.ok(USER, 'chmod 700 store')
  for (const name of [
    'manifest',
    'frames.dat',
    'lock',
    'holtfs.log',
    'control.sock',
    'wal',
    'data',
    'data/$(ls store/data)',
  ]) {
    await machine.ok(
      USER,
      `cp -a store linked; mv linked/${name} aside 2> /dev/null || echo > aside; ln -s "$PWD/aside" linked/${name}`,
    )
    await says(t, machine, USER, 'holtfs mount linked mnt', /is a symbolic link/)
    await machine.ok(USER, 'rm -rf linked aside')
  }
  await machine.ok(
    USER,
    'mkdir -m 755 empty; ln -s empty link; holtfs mount link mnt; stat -c %a empty; holtfs umount mnt',
  )
})

test('what stops a user from mounting is said with its remedy', async t => {
  const machine = await machineWithMountPoint()
  await machine.mkdir(ROOT, 'roots')
  await machine.ok(ROOT, 'mkdir -m 1777 sticky')
  await says(t, machine, USER, 'holtfs mount store roots', /roots is not yours to mount on/)
  await says(t, machine, USER, 'holtfs mount store sticky', /sticky is not yours to mount on/)
  await says(t, machine, USER, 'holtfs mount store mnt -o suid', /option suid is for root/)
  await says(t, machine, USER, 'holtfs mount store mnt -o nodiratime', /fusermount3 knows no mount option nodiratime/)
  await says(t, machine, USER, 'holtfs mount store mnt -o user_id=0', /option user_id cannot be given/)
  await says(t, machine, USER, 'PATH=/nowhere ../bin/holtfs mount store mnt', /install it \(apt-get install fuse3\)/)
  await machine.ok(ROOT, 'mkdir nameless; chown 4242 nameless')
  await says(t, machine, 4242, 'holtfs mount nameless/store nameless', /lies in the store|would hide/)
  await machine.ok(ROOT, 'mkdir nameless/mnt; chown 4242 nameless/mnt')
  await says(t, machine, 4242, 'holtfs mount nameless/store nameless/mnt', /no entry in \/etc\/passwd/)
  await machine.ok(ROOT, 'chmod 600 /dev/fuse')
  await says(t, machine, USER, 'holtfs mount store mnt', /no permission to open \/dev\/fuse; root lets users in/)
})
