/**
 * A mount namespace of a test's own, in which /dev/fuse is open to users, /etc/fuse.conf and /etc/fstab say what the test wants
 * and /sbin has mount.fuse.holtfs; and commands in it as any user. Nothing of the machine outside changes.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PROJECT } from '../support/modules.ts'
import { canMount, type Result, run, succeed } from './real-mount.ts'

/** User ids with an entry in /etc/passwd, which fusermount3 asks for. */
export const ROOT = 0
export const STRANGER = 1
export const USER = 65534

/** Why users cannot mount here; empty when they can. */
export const whyNot = !canMount
  ? 'needs root and /dev/fuse'
  : spawnSync('fusermount3', ['-V']).status !== 0
    ? 'needs fusermount3 (package fuse3)'
    : spawnSync('unshare', ['-m', 'true']).status !== 0
      ? 'needs unshare(1)'
      : ''

const SETUP = `
  cd "$0"
  mount --make-rprivate /
  # Those of other tests: they could not end while they are here too.
  while read -r _ path type _; do
    [ "$type" != fuse.holtfs ] || umount -l "$(printf %b "$path")" || true
  done <<< "$(cat /proc/self/mounts)"
  mkdir project sbin bin run home
  mount --bind "$1" project
  touch node fuse.conf fstab && mount --bind "$2" node
  mknod -m 666 fuse c 10 229 && mount --bind fuse /dev/fuse
  mount --bind fuse.conf /etc/fuse.conf && mount --bind fstab /etc/fstab
  mount --bind run /run
  mount --bind "$(readlink -f /sbin)" sbin
  mount -t tmpfs none "$(readlink -f /sbin)" && ln -s "$0"/sbin/* /sbin/
  printf '#!/bin/sh\\nexec "%s/node" "%s/project/dist/cli/mount-helper.js" "$@"\\n' "$0" "$0" > /sbin/mount.fuse.holtfs
  printf '#!/bin/sh\\nexec "%s/node" "%s/project/dist/cli/main.js" "$@"\\n' "$0" "$0" > bin/holtfs
  chmod 755 /sbin/mount.fuse.holtfs bin/holtfs
  echo ready
  exec sleep 1000`

const made = new Set<PrivateMachine>()

export class PrivateMachine {
  /** Scratch directory; root's, and everybody may look into it. */
  readonly directory: string
  /** Everybody's, as /tmp is: root would not trust a store in a directory of a user. */
  readonly home: string
  readonly #holder: ChildProcess

  private constructor(directory: string, holder: ChildProcess) {
    this.directory = directory
    this.home = join(directory, 'home')
    this.#holder = holder
  }

  static async start(): Promise<PrivateMachine> {
    const directory = mkdtempSync(join(tmpdir(), 'holtfs machine-'))
    chmodSync(directory, 0o755)
    const argv = ['-m', 'bash', '-ec', SETUP, directory, PROJECT, process.execPath]
    const holder = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    const machine = new PrivateMachine(directory, holder)
    made.add(machine)
    await new Promise<void>((resolve, reject) => {
      holder.stdout?.once('data', () => resolve())
      holder.once('exit', code => reject(new Error(`no mount namespace of our own: exit ${code}`)))
    })
    chmodSync(machine.home, 0o1777)
    return machine
  }

  /** Runs a shell script as the user, in {@link home}; `holtfs` is on its PATH. */
  as(uid: number, script: string): Promise<Result> {
    return run('nsenter', this.#argv(uid, script))
  }

  /** The same for a script that must succeed; returns its output. */
  async ok(uid: number, script: string): Promise<string> {
    const { code, out, err } = await this.as(uid, script)
    if (code !== 0 || err !== '') throw new Error(`${script}: exit ${code}: ${err}${out}`)
    return out
  }

  /** Starts a script and does not wait for it. Its standard input stays open. */
  spawn(uid: number, script: string): ChildProcess {
    return spawn('nsenter', this.#argv(uid, script), { stdio: ['pipe', 'pipe', 'pipe'] })
  }

  #argv(uid: number, script: string): string[] {
    const path = `${join(this.directory, 'bin')}:/usr/local/bin:/usr/bin:/bin`
    const user = [
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      'env',
      `PATH=${path}`,
      `HOME=${this.home}`,
    ]
    // Not nsenter's --wd, which is looked up outside.
    return [
      '-t',
      String(this.#holder.pid),
      '-m',
      '--',
      ...user,
      'bash',
      '--norc',
      '-c',
      `cd "$0"; ${script}`,
      this.home,
    ]
  }

  fuseConf(text: string): void {
    writeFileSync(join(this.directory, 'fuse.conf'), text)
  }

  fstab(...lines: string[]): void {
    writeFileSync(join(this.directory, 'fstab'), `${lines.join('\n')}\n`)
  }

  /** Directories in home. */
  mkdir(uid: number, ...names: string[]): Promise<string> {
    for (const name of names) mkdirSync(join(this.home, name))
    return succeed('chown', [`${uid}:${uid}`, ...names.map(name => join(this.home, name))])
  }

  /** The options of the mount on a directory in home, or an empty string. */
  async mounted(name: string): Promise<string> {
    return (await this.as(ROOT, `findmnt -rno FSTYPE,OPTIONS "$PWD/${name}"`)).out.trim()
  }

  /** Resolves when no process but the holder is left in the namespace: every server has ended. */
  async quiet(): Promise<void> {
    for (let tries = 0; this.processes().length > 0; tries++) {
      if (tries > 1500) throw new Error(`processes ${this.processes()} do not end`)
      await sleep(20)
    }
  }

  /** Processes in the namespace, the holder left out. */
  processes(): number[] {
    const { pid } = this.#holder
    const namespace = namespaceOf(String(pid))
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name) && name !== String(pid) && namespaceOf(name) === namespace)
      .map(Number)
  }

  async end(): Promise<void> {
    for (const pid of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    await this.quiet()
    // The mounts go with the last process of the namespace.
    this.#holder.kill('SIGKILL')
    await new Promise(resolve => this.#holder.once('close', resolve))
    await succeed('rm', ['-rf', '--one-file-system', this.directory])
  }
}

function namespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return ''
  }
}

/** Ends all that the tests of this process started. */
export async function endMachines(): Promise<void> {
  for (const machine of made) await machine.end()
  made.clear()
}
