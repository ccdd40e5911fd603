/**
 * What people do with a filesystem, by the programs they do it with: unpacking, copying, listing and removing a tree of FILES files, git
 * on it, and one large file. A holtfs mount against the directory that it stands on, bindfs and mergerfs, in turn; the first round is
 * not counted. `cold`: the kernel dropped names and inodes before; else everything is as the rows above left it.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from './figures.ts'
import { dropCaches, type Filesystem, mountBindfs, mountHoltfs, mountMergerfs, plainDirectory } from './filesystems.ts'
import { inTurn } from './rounds.ts'

const FILES = 20_000
const FILES_PER_DIRECTORY = 50
const LARGE_MEGABYTES = 512
const GIT = 'git -c gc.auto=0 -c core.fsync=none -c user.name=bench -c user.email=bench'

/** Shell commands in the directory of a filesystem, each as the ones before left it; `$TAR` is the archive. */
const STEPS: Record<string, string> = {
  'untar 20,000 files': 'mkdir tree && tar xf "$TAR" -C tree',
  'cp -a of them': 'cp -a tree copy',
  'ls -lR, cold': 'ls -lR tree > /dev/null',
  'ls -lR, warm': 'ls -lR tree > /dev/null',
  'find, warm': 'find tree -size +100k',
  'du, warm': 'du -s tree > /dev/null',
  'tar to nowhere, cold': 'tar cf - tree | cat > /dev/null',
  'git add': `cd tree && git init -q && ${GIT} add .`,
  'git commit': `cd tree && ${GIT} commit -qm tree`,
  'git status, warm': 'cd tree && git status --porcelain',
  'git checkout of all files': `cd tree && rm -rf part-* && ${GIT} checkout -q -- .`,
  'rm -rf of both trees': 'rm -rf tree copy',
  'write a file of 512 MB by 1 MB': `dd if=/dev/zero of=large bs=1M count=${LARGE_MEGABYTES} status=none`,
  'read it, cold': 'dd if=large of=/dev/null bs=1M status=none',
  'read it, warm': 'dd if=large of=/dev/null bs=1M status=none',
  'remove it': 'rm large',
}

/** @throws when holtfs cannot be mounted or a command fails. */
export async function benchWorkloads(scratch: string, rounds: number): Promise<Table[]> {
  const directory = mkdtempSync(join(scratch, 'workloads-'))
  const filesystems: Filesystem[] = []
  const absent: string[] = []
  try {
    const archive = makeArchive(directory)
    filesystems.push(mountHoltfs(directory), plainDirectory(directory))
    for (const mount of [mountBindfs, mountMergerfs]) {
      try {
        filesystems.push(await mount(directory))
      } catch (error) {
        absent.push(` Left out: ${(error as Error).message}.`)
      }
    }
    const subjects = new Map(filesystems.map(({ name, directory }) => [name, directory]))
    const rows = await inTurn('workloads', rounds, Object.keys(STEPS), subjects, async (operation, cwd) =>
      run(STEPS[operation], cwd, archive, operation.includes('cold')),
    )
    const title = `Whole programs, one at a time.${absent.join('')}`
    return [{ title, subjects: [...subjects.keys()], notCompared: ['plain directory'], rows }]
  } finally {
    for (const filesystem of filesystems) await filesystem.stop()
  }
}

/** Nanoseconds of the clock. */
function run(command: string, cwd: string, archive: string, cold: boolean): number {
  if (cold) dropCaches()
  // The kernel drops only names and inodes above; these are the pages of one file.
  if (cold && existsSync(join(cwd, 'large')))
    execFileSync('dd', ['if=large', 'iflag=nocache', 'count=0', 'status=none'], { cwd })
  const begin = process.hrtime.bigint()
  execFileSync('sh', ['-c', command], { cwd, env: { ...process.env, TAR: archive, GIT_OPTIONAL_LOCKS: '1' } })
  return Number(process.hrtime.bigint() - begin)
}

/** An archive of files of 0 to 15 KB, whose bytes do not compress to nothing. */
function makeArchive(directory: string): string {
  const tree = join(directory, 'made')
  const archive = join(directory, 'tree.tar')
  const bytes = Buffer.alloc(16_384)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 2654435761) >>> 24
  for (let i = 0; i < FILES; i++) {
    const part = join(tree, `part-${Math.floor(i / FILES_PER_DIRECTORY)}`)
    if (i % FILES_PER_DIRECTORY === 0) mkdirSync(part, { recursive: true })
    bytes.writeUInt32LE(i)
    writeFileSync(join(part, `file-${i}`), bytes.subarray(0, (i % 16) * 1024))
  }
  execFileSync('tar', ['cf', archive, '-C', tree, '.'])
  execFileSync('rm', ['-rf', tree])
  if (statSync(archive).size < FILES * 512) throw new Error('tar made no archive')
  return archive
}
