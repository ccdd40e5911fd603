/**
 * A store and its mount, driven through the built command line as a user does. The test process never touches the
 * mount itself: it starts commands. Whatever a test leaves behind is unmounted, ended and removed by cleanUp().
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { NODE_ARGUMENTS, PROJECT, pathOf } from '../support/modules.ts'

const PROGRAM = join(PROJECT, 'dist/cli/main.js')
/** For --import. */
export const KILL_TRAP = pathToFileURL(join(PROJECT, 'test/mount/kill-trap.mjs')).href
/** Milliseconds after which a command counts as hung. */
const PATIENCE = 600_000

/** Whether this machine can mount: root with /dev/fuse. */
export const canMount = process.getuid?.() === 0 && spawnSync('test', ['-c', '/dev/fuse']).status === 0

export interface Result {
  code: number | string | null
  out: string
  err: string
}

/** Runs a command to its end; never throws. Its output is taken as bytes (latin1), so that any file name survives. */
export function run(file: string, argv: string[], cwd = PROJECT): Promise<Result> {
  return new Promise(resolve => {
    const limits = { timeout: PATIENCE, killSignal: 'SIGKILL' as const, maxBuffer: 1 << 30 }
    execFile(file, argv, { ...limits, cwd, encoding: 'latin1' }, (error, out, err) => {
      resolve({ code: error === null ? 0 : (error.signal ?? error.code ?? null), out, err })
    })
  })
}

/** Runs a command that must succeed and returns what it printed. */
export async function succeed(file: string, argv: string[]): Promise<string> {
  const { code, out, err } = await run(file, argv)
  if (code !== 0)
    throw new Error(`${argv.join(' ').slice(0, 400)}: exit ${code}: ${err.slice(0, 2000)}${out.slice(-2000)}`)
  return out
}

/** Runs a shell script that must succeed in `cwd`; returns its output. */
export function sh(script: string, cwd: string): Promise<string> {
  return succeed('/bin/bash', ['-c', `set -eo pipefail; cd "$0"; ${script}`, cwd])
}

/** Runs a module as a child process; its name is relative to this directory, without extension. */
export function program(name: string, ...argv: string[]): [string, string[]] {
  return [process.execPath, [...NODE_ARGUMENTS, pathOf(import.meta.url, name), ...argv]]
}

export function holtfs(...argv: string[]): Promise<Result> {
  return run(process.execPath, [PROGRAM, ...argv])
}

/** Starts the command line and does not wait for it. */
export function startServer(...argv: string[]): { child: ChildProcess; ended: Promise<void> } {
  const child = spawn(process.execPath, [PROGRAM, ...argv], { cwd: PROJECT, stdio: 'ignore' })
  return { child, ended: new Promise(resolve => child.on('close', () => resolve())) }
}

const made = new Set<RealMount>()

export class RealMount {
  /** Scratch directory on the host that holds everything of this test. */
  readonly directory: string
  readonly store: string
  readonly path: string

  constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), `holtfs ${name}-`))
    this.store = join(this.directory, 'store')
    this.path = join(this.directory, 'mnt')
    mkdirSync(this.path)
    made.add(this)
  }

  /** With as many workers as HOLTFS_WORKERS says, unless the options say it. */
  async mount(...options: string[]): Promise<void> {
    const workers = process.env.HOLTFS_WORKERS
    if (workers !== undefined && !options.includes('--workers')) options.push('--workers', workers)
    await expectSilence('mount', this.store, this.path, ...options)
  }

  /** Mounts with more environment for supervisor and server. */
  async mountWith(env: Record<string, string>, ...options: string[]): Promise<void> {
    await promisify(execFile)(process.execPath, [PROGRAM, 'mount', this.store, this.path, ...options], {
      env: { ...process.env, ...env },
    })
  }

  async umount(): Promise<void> {
    await expectSilence('umount', this.path)
  }

  /** Checks the unmounted store; throws with the findings. */
  async check(): Promise<void> {
    const { code, out, err } = await holtfs('check', this.store)
    if (code !== 0) throw new Error(`holtfs check: exit ${code}: ${err}${out}`)
  }

  /** Unmounts, checks, mounts again. */
  async checkBetween(...options: string[]): Promise<void> {
    await this.umount()
    await this.check()
    await this.mount(...options)
  }

  /** The process id of the one that serves: it has the store open, others of the mount stand by or hold the lock. */
  serverPid(): number {
    const frames = join(this.store, 'frames.dat')
    const pid = this.processes().find(pid => openFiles(pid).includes(frames))
    if (pid === undefined) throw new Error(`no process serves ${this.store}`)
    return pid
  }

  /** SIGKILL to supervisor and server. The dead mount stays until {@link detach}. */
  async kill(): Promise<void> {
    for (let left = this.processes(); left.length > 0; left = this.processes()) {
      // The supervisor first, so that it starts no other server.
      for (const pid of left) killProcess(pid)
      await sleep(2)
    }
  }

  /** SIGKILL to the server only; the mount goes on. Returns its process id. */
  killServer(): number {
    const pid = this.serverPid()
    process.kill(pid, 'SIGKILL')
    return pid
  }

  /** Whether the last server to die, if any has, was replaced by one that answers. */
  isServed(): boolean {
    const log = readFileSync(join(this.store, 'holtfs.log'), 'utf8')
    return log.lastIndexOf('the mount is served again') >= log.lastIndexOf('the mount waits for another one')
  }

  /** Milliseconds without a server, one number a pause. */
  pauses(): number[] {
    const log = readFileSync(join(this.store, 'holtfs.log'), 'utf8')
    return [...log.matchAll(/the mount is served again, after (\d+) ms/g)].map(match => Number(match[1]))
  }

  /** Process ids of supervisor, server and the one that stands by, in the order in which they were started. */
  processes(): number[] {
    const pids = readdirSync('/proc')
      .map(Number)
      .filter(pid => pid > 0)
    // Not by number, which begin again from the lowest at some time.
    const found = pids.filter(pid => isServerOf(pid, this.store)).map(pid => ({ pid, start: startOf(pid) }))
    return found.sort((a, b) => a.start - b.start || a.pid - b.pid).map(({ pid }) => pid)
  }

  /** Resolves when the server `pid` has ended. */
  async ended(pid: number): Promise<void> {
    while (isServerOf(pid, this.store)) await sleep(2)
  }

  /** Unmounts, kills and removes all that there is. */
  async remove(): Promise<void> {
    await run('umount', ['-f', '-l', this.path])
    await this.kill()
    await succeed('rm', ['-rf', '--one-file-system', this.directory])
    made.delete(this)
  }

  /** Takes a dead mount away. */
  async detach(): Promise<void> {
    await succeed('umount', ['-l', this.path])
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It was faster.
  }
}

async function expectSilence(...argv: string[]): Promise<void> {
  const { code, out, err } = await holtfs(...argv)
  if (code !== 0 || out !== '' || err !== '') throw new Error(`holtfs ${argv.join(' ')}: exit ${code}: ${err}${out}`)
}

/** What a process has open; nothing when it has ended. */
function openFiles(pid: number): string[] {
  const { stdout } = spawnSync('find', [`/proc/${pid}/fd`, '-type', 'l', '-printf', '%l\\n'], { encoding: 'utf8' })
  return stdout.split('\n')
}

/** Whether `pid` is a running holtfs of this store (not a zombie, not another process with a reused id). */
function isServerOf(pid: number, store: string): boolean {
  return readProcess(pid, 'cmdline').split('\0').includes(store)
}

/** When a process was started, in ticks since the machine was. */
function startOf(pid: number): number {
  return Number(readProcess(pid, 'stat').split(') ').at(-1)?.split(' ')[19])
}

/** Empty when there is no such process. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** Removes all mounts that the tests of this process made. */
export async function cleanUp(): Promise<void> {
  for (const mount of made) await mount.remove()
}
