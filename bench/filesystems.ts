/** The filesystems that are compared, each ready to be worked on and taken away again. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Filesystem {
  name: string
  /** Where its clients work. */
  directory: string
  stop(): Promise<void>
}

const COMMAND_LINE = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const PASSTHROUGH = fileURLToPath(new URL('./passthrough.ts', import.meta.url))
/** Milliseconds that a mount may take. */
const PATIENCE = 20_000

/** What a command line begins with whose processes all run on the first core, or anywhere. */
export function onCores(pinned: boolean): string[] {
  return pinned ? ['taskset', '-c', '0'] : ['env']
}

/** holtfs as `holtfs mount` starts it, with its defaults. */
export function mountHoltfs(scratch: string, pinned = false): Filesystem {
  const mountpoint = made(scratch, 'holtfs-mount')
  const [run, ...argv] = [...onCores(pinned), process.execPath, COMMAND_LINE, 'mount']
  execFileSync(run, [...argv, join(scratch, 'holtfs-store'), mountpoint], { stdio: 'inherit' })
  const stop = async () => {
    const { status } = spawnSync(process.execPath, [COMMAND_LINE, 'umount', mountpoint], { stdio: 'inherit' })
    if (status !== 0) spawnSync('umount', ['-l', mountpoint])
  }
  return { name: 'holtfs', directory: mountpoint, stop }
}

export function plainDirectory(scratch: string): Filesystem {
  return { name: 'plain directory', directory: made(scratch, 'plain'), stop: async () => {} }
}

/** bindfs, with caches as long as ours. @throws when it is not installed. */
export async function mountBindfs(scratch: string, pinned = false): Promise<Filesystem> {
  const options = ['-o', 'attr_timeout=86400,entry_timeout=86400,negative_timeout=86400']
  return mountProgram('bindfs', scratch, pinned, options)
}

/** mergerfs of one branch, with caches as long as ours. @throws when it is not installed. */
export async function mountMergerfs(scratch: string, pinned = false): Promise<Filesystem> {
  const options = ['cache.attr=86400', 'cache.entry=86400', 'cache.negative_entry=86400', 'cache.readdir=true']
  return mountProgram('mergerfs', scratch, pinned, [
    '-o',
    [...options, 'cache.files=auto-full', 'cache.writeback=true', 'category.create=ff', 'minfreespace=1M'].join(),
  ])
}

/** Mounts a directory elsewhere with a program that goes on in the background. */
function mountProgram(name: string, scratch: string, pinned: boolean, options: string[]): Filesystem {
  const mountpoint = made(scratch, `${name}-mount`)
  const [run, ...argv] = [...onCores(pinned), name, ...options, made(scratch, `${name}-backing`), mountpoint]
  const { status, stderr } = spawnSync(run, argv, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${name}: ${stderr.trim()}`)
  const stop = async () => {
    spawnSync('umount', ['-l', mountpoint])
  }
  return { name, directory: mountpoint, stop }
}

/** Lets the kernel forget names and inodes, but not file contents; sync first, as it keeps what is dirty. */
export function dropCaches(): void {
  spawnSync('sync')
  writeFileSync('/proc/sys/vm/drop_caches', '2')
}

/** @throws when fuse-native is not installed or cannot mount here; the message says why. */
export async function mountPassthrough(scratch: string, pinned = false): Promise<Filesystem> {
  const mountpoint = made(scratch, 'passthrough-mount')
  const script = ['--import=tsx', PASSTHROUGH, made(scratch, 'passthrough-backing'), mountpoint]
  const [run, ...argv] = [...onCores(pinned), process.execPath, ...script]
  const env = { ...process.env, LD_LIBRARY_PATH: made(scratch, 'passthrough-library') }
  symlinkSync(bundledLibfuse(), join(env.LD_LIBRARY_PATH, 'libfuse.so.2'))
  const server = spawn(run, argv, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const stop = async () => {
    spawnSync('umount', ['-l', mountpoint])
    server.kill('SIGKILL')
  }
  try {
    await started(server)
  } catch (error) {
    await stop()
    throw error
  }
  return { name: 'fuse-native passthrough', directory: mountpoint, stop }
}

/** fuse-native brings libfuse 2 along, but under a name that the loader finds only where the system has it too. */
function bundledLibfuse(): string {
  const root = dirname(createRequire(import.meta.url).resolve('fuse-native/package.json'))
  return join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'libfuse.so')
}

function started(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    const fail = (why: string) =>
      reject(
        new Error(
          complaint
            .trim()
            .split('\n')
            .find(line => line.includes('rror')) ?? why,
        ),
      )
    const timer = setTimeout(() => fail('it did not mount in time'), PATIENCE)
    server.stderr?.on('data', chunk => {
      complaint += chunk
    })
    server.once('exit', code => {
      clearTimeout(timer)
      fail(`it ended with ${code}`)
    })
    server.stdout?.once('data', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function made(scratch: string, name: string): string {
  const path = join(scratch, name)
  mkdirSync(path)
  return path
}
