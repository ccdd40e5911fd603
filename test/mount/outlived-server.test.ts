/**
 * The mount outlives its server: SIGKILL of the server process, again and again, while programs copy, archive, commit, build
 * and keep files open. They see no error, only pauses; what they made is what they meant; the store is clean.
 * HOLTFS_KILLS is the number of kills (default 8), HOLTFS_SEED repeats a run as far as time allows.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest, { type ExecutionContext } from 'ava'
import { seededRandom } from '../support/random.ts'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const KILLS = Number(process.env.HOLTFS_KILLS ?? 8)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
/** Milliseconds that a server serves before it is killed, and most of them. */
const LIFE = 300
const LONGEST_LIFE = 1500
const hasGit = spawnSync('git', ['--version']).status === 0
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Each runs in a directory of its own until `$0/stop` exists, and compares what it made with the host's own files. */
const SCRIPTS: Record<string, string> = {
  copy: `
    while [ ! -e "$STOP" ]; do
      rm -rf copy && cp -a "$SOURCE" copy && diff -r "$SOURCE" copy
    done`,
  archive: `
    while [ ! -e "$STOP" ]; do
      tar -cf tree.tar -C "$SOURCE" . && rm -rf tree && mkdir tree && tar -xf tree.tar -C tree && diff -r "$SOURCE" tree
    done`,
  build: `
    n=0
    while [ ! -e "$STOP" ]; do
      for i in 1 2 3 4 5 6 7 8 9 10; do
        mkdir -p out/$i
        echo "object $n $i" > out/$i/part.tmp && mv out/$i/part.tmp out/$i/part.o
        cat out/*/part.o > out/linked.tmp && mv out/linked.tmp out/linked
      done
      [ "$(wc -l < out/linked)" = 10 ] && rm -r out/*
      n=$((n + 1))
    done`,
}
if (hasGit) {
  SCRIPTS.git = `
    export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1
    git config --global user.name test && git config --global user.email test@localhost
    git init -q -b main project && cp -a "$SOURCE/." project/ && cd project && git add -A && git commit -qm first
    n=0
    while [ ! -e "$STOP" ]; do
      echo $n >> changed && git add -A && git commit -qm "change $n"
      [ $((n % 5)) = 0 ] && { rm -rf ../clone; git clone -q . ../clone; git -C ../clone fsck --strict; }
      n=$((n + 1))
    done
    git fsck --strict && [ "$(git rev-list --count HEAD)" = $((n + 1)) ] && [ -z "$(git status --porcelain)" ]`
}

test('programs see no error while servers are killed', async t => {
  t.timeout(180_000 + KILLS * 30_000)
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const mount = new RealMount('outlived')
  const source = join(mount.directory, 'source')
  const stop = join(mount.directory, 'stop')
  await makeSource(source)
  await mount.mount('--workers', '2', ...(SEED % 2 === 0 ? ['--pool', '4M'] : []))
  const names = Object.keys(SCRIPTS)
  await sh(`mkdir client ${names.join(' ')}`, mount.path)
  const works = names.map(name =>
    sh(`SOURCE='${source}' STOP='${stop}'; export SOURCE STOP; ${SCRIPTS[name]}`, join(mount.path, name)).catch(
      error => {
        throw new Error(`${name}: ${error.message}`)
      },
    ),
  )
  const failed = Promise.race(works.map(work => work.then(() => new Promise(() => {}))))
  const client = succeed(...program('outliving-client.ts', join(mount.path, 'client'), stop, String(SEED)))
  works.push(client)
  for (let kill = 0; kill < KILLS; kill++) {
    await Promise.race([sleep(LIFE + random() * (LONGEST_LIFE - LIFE)), failed, client])
    mount.killServer()
    // Every fourth time also the one that is taking over.
    await Promise.race([servedAgain(mount, kill + 1, kill % 4 === 3 ? random() * 300 : undefined), failed, client])
  }
  await sh(`touch '${stop}'`, '/')
  await Promise.all(works)
  t.log(`client: ${(await client).trim()}`)
  report(t, mount)
  await mount.umount()
  await mount.check()
})

async function makeSource(source: string): Promise<void> {
  const make = `
    mkdir -p '${source}' && cd '${source}'
    for d in a b c d e; do
      mkdir -p $d/deep/er
      for i in 1 2 3 4 5 6 7 8; do
        head -c $((i * 700)) /dev/urandom > $d/file$i
        ln -s ../file$i $d/deep/link$i
        ln $d/file$i $d/deep/er/hard$i
      done
      head -c 300000 /dev/urandom > $d/large
    done`
  await sh(make, '/')
}

const AGAIN = /the mount is served again, after (\d+) ms/g

function pauses(mount: RealMount): number[] {
  return [...readFileSync(join(mount.store, 'holtfs.log'), 'utf8').matchAll(AGAIN)].map(match => Number(match[1]))
}

let extraKills = 0

async function servedAgain(mount: RealMount, kills: number, killAfter: number | undefined): Promise<void> {
  if (killAfter !== undefined) {
    await sleep(killAfter)
    // It may not be there yet, or not have got so far as to name itself in the store.
    const [, server] = mount.processes()
    if (server !== undefined) {
      process.kill(server, 'SIGKILL')
      extraKills++
    }
  }
  while (pauses(mount).length < kills) await sleep(10)
}

function report(t: ExecutionContext, mount: RealMount): void {
  const sorted = pauses(mount).sort((a, b) => a - b)
  t.log(
    `${KILLS + extraKills} kills; pause ${sorted[sorted.length >> 1]} ms in the median, at most ${sorted.at(-1)} ms`,
  )
  t.true(sorted.length >= KILLS)
}
