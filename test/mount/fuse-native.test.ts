/**
 * The transport fuse-native: the same as a directory of the host as far as it goes, the same store as with the built-in
 * transport, its ways out, and what is said where the package is missing.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, RealMount, run, sh } from './real-mount.ts'

const NATIVE = ['--transport', 'fuse-native']
const isInstalled = spawnSync(process.execPath, ['-e', "require.resolve('fuse-native')"], { cwd: PROJECT }).status === 0
const test = canMount && isInstalled ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)
if (!isInstalled) anyTest('the transport fuse-native', t => t.pass('left out: fuse-native is not installed'))

/** Prints everything that it sees; what the host may answer differently (sizes of directories, times of its own) is left out. */
const SCRIPT = `
  umask 022; set +e; exec 2>&1
  show() { find . -name '.fuse_hidden*' -prune -o ! -type d -printf '%P %y %m %U %G %n %s %l\\n' -o -printf '%P d %m %U %G %n\\n' | sort; }
  echo text > a; cat a; echo more >> a; mkdir -p d/e/f; mv a d/e/b; ln d/e/b c; ln -s d/e link; ln -s nowhere dangling; show
  cat link/b; ls link; readlink dangling; cat dangling; cat d/e/b/c; cat none; mkdir d; rmdir d; rmdir c; rm d; ln c link
  head -c 1000000 /dev/zero | tr '\\0' x > large; sha256sum large; echo y | dd of=large bs=1 seek=500000 conv=notrunc 2> /dev/null; sha256sum large
  truncate -s 700001 large; sha256sum large; truncate -s 5000 large; truncate -s 20000 large; sha256sum large; : > c; show
  chmod 4751 large; chmod 2770 d; chown 12:34 large; chown 4000000000 c; chgrp 5 link; chown -h 7:8 link; chmod 1777 d/e; show
  touch -d '2001-02-03 04:05:06.789' large; stat -c '%x %y' large
  exec 3<> large; rm large; echo still >&3; head -c 6 /proc/self/fd/3; exec 3>&-; exec 3< c; mv d/e/b c; wc -c <&3; exec 3<&-; show
  mv d d2; mv d2 c; mkdir d3; mv -T d2 d3; show; mkfifo fifo; mknod device c 1 3; show; rm -f fifo device
  echo > '\u00e4 \u2603 "quoted"'; echo > $(printf 'n%.0s' $(seq 255)); echo > $(printf 'n%.0s' $(seq 256)); ls | sort
  for i in $(seq 500); do echo $i > d3/$i; done; cat d3/* | sort -n | sha256sum; rm d3/*[05]; ls d3 | wc -l; rm -r d3; show
`

test('a directory of the host answers the same; the built-in transport shows the same store', async t => {
  const mount = new RealMount('native')
  await mount.mount(...NATIVE)
  const host = join(mount.directory, 'host')
  mkdirSync(host)
  const [expected, found] = [await sh(SCRIPT, host), await sh(SCRIPT, mount.path)]
  t.is(found.replaceAll(mount.path, 'DIRECTORY'), expected.replaceAll(host, 'DIRECTORY'))
  await sh(
    'mkdir tree; for i in $(seq 50); do head -c $((i * 1000)) /dev/urandom > tree/$i; done; sync tree/9',
    mount.path,
  )
  const list = "find . -printf '%P %y %m %U %G %n %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum"
  const shown = await sh(list, mount.path)
  await mount.checkBetween()
  t.is(await sh(list, mount.path), shown)
  await mount.checkBetween(...NATIVE, '--read-only')
  t.is(await sh(list, mount.path), shown)
  t.regex((await run('/bin/sh', ['-c', 'echo > "$0/new"', mount.path])).err, /Read-only file system/)
  await mount.umount()
})

test('the ways out: a signal, a signal while a file is open, SIGKILL', async t => {
  const mount = new RealMount('native')
  for (const open of [false, true]) {
    await mount.mount(...NATIVE)
    await sh(`echo ${open} > kept`, mount.path)
    const pid = mount.serverPid()
    const reader = open ? spawn('sh', ['-c', 'exec 3< kept; echo; exec sleep 1000'], { cwd: mount.path }) : undefined
    if (reader !== undefined) await new Promise(resolve => reader.stdout.once('data', resolve))
    process.kill(pid, 'SIGTERM')
    await mount.ended(pid)
    t.regex(await sh('findmnt -n mnt || echo gone', mount.directory), /^gone$/m)
    reader?.kill('SIGKILL')
    await mount.check()
  }
  await mount.mount(...NATIVE)
  await sh('cat kept; echo killed > kept', mount.path)
  await mount.kill()
  await mount.detach()
  await mount.mount()
  t.is(await sh('cat kept', mount.path), 'killed\n')
  await mount.umount()
})

test('where the package is missing, the message says what to install', async t => {
  const mount = new RealMount('native')
  const modules = join(mount.directory, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(join(PROJECT, 'node_modules'))) {
    if (name !== 'fuse-native') symlinkSync(join(PROJECT, 'node_modules', name), join(modules, name))
  }
  await sh(`cp -r '${join(PROJECT, 'dist')}' '${join(PROJECT, 'package.json')}' .`, mount.directory)
  const argv = [join(mount.directory, 'dist/cli/main.js'), 'mount', mount.store, mount.path, ...NATIVE]
  const { code, err } = await run(process.execPath, argv)
  t.is(code, 1)
  t.regex(
    err,
    /^holtfs: [^\n]*Cannot find module 'fuse-native'[^\n]*npm install fuse-native, or use --transport builtin\n$/,
  )
  t.is(await sh('ls', mount.directory), 'dist\nmnt\nnode_modules\npackage.json\n', 'nothing is left behind')
})
