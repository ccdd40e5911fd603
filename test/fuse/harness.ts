/**
 * Runs mounts for tests: servers in child processes, every file operation in a child process, everything unmounted at the
 * end, also when a test fails.
 */
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'

/** Milliseconds after which a command on a mount counts as hung. */
const COMMAND_LIMIT = 20_000
const directories = new Set<string>()

/** Whether this machine can mount: root with /dev/fuse. */
export const canMount = process.getuid?.() === 0 && spawnSync('test', ['-c', '/dev/fuse']).status === 0

export function scratch(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `holtfs ${name}-`))
  directories.add(directory)
  return directory
}

export interface Result {
  code: number | string | null
  out: string
  err: string
}

/** Runs a shell script in `cwd`; never throws. */
export function shell(script: string, cwd: string): Promise<Result> {
  return command('/bin/bash', ['-c', `cd "$0" && { ${script}\n}`, cwd])
}

/** Runs the command line of the tests. */
export function cli(...argv: string[]): Promise<Result> {
  return command(process.execPath, [...NODE_ARGUMENTS, pathOf(import.meta.url, './memory-cli'), ...argv])
}

export function command(file: string, argv: string[]): Promise<Result> {
  return new Promise(resolve => {
    const options = { timeout: COMMAND_LIMIT, killSignal: 'SIGKILL' as const, maxBuffer: 1 << 26 }
    execFile(file, argv, options, (error, out, err) => {
      resolve({ code: error === null ? 0 : (error.signal ?? error.code ?? null), out, err })
    })
  })
}

/** A server started with memory-server.ts. */
export class MemoryServer {
  readonly child: ChildProcess
  readonly ended: Promise<number | string | null>
  readonly ready: Promise<boolean>
  out = ''
  err = ''

  constructor(mountpoint: string, overrides: object = {}) {
    const argv = [...NODE_ARGUMENTS, pathOf(import.meta.url, './memory-server'), mountpoint, JSON.stringify(overrides)]
    this.child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stderr?.on('data', chunk => {
      this.err += chunk
    })
    this.ended = new Promise(resolve => this.child.on('close', (code, signal) => resolve(code ?? signal)))
    this.ready = new Promise(resolve => {
      this.child.stdout?.on('data', chunk => {
        this.out += chunk
        if (this.out.includes('ready')) resolve(true)
      })
      void this.ended.then(() => resolve(false))
    })
  }
}

export function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${path.replaceAll(' ', '\\040')} `)
}

/** Takes every mount below the scratch directories away, then the directories. */
export function cleanUp(): void {
  for (const directory of directories) {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').replaceAll('\\040', ' ')
    for (const line of mounts.split('\n')) {
      const at = line.indexOf(directory)
      if (at < 0) continue
      const target = line.slice(line.lastIndexOf(directory), line.indexOf(' fuse.'))
      spawnSync('umount', ['-c', '-f', '-l', target], { timeout: 5000 })
    }
    execFileSync('rm', ['-rf', '--one-file-system', directory], { timeout: 5000 })
    rmSync(directory, { recursive: true, force: true })
  }
}
