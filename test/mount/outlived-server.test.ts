/**
 * The mount outlives its server: SIGKILL of the server process, again and again, while programs copy, archive, commit and clone,
 * compile, map files, write around the page cache and keep files open. They see no error, only pauses; what they made is what
 * they meant; the store is clean. HOLTFS_KILLS is the number of kills of each test (default 5), HOLTFS_SEED repeats a run as far
 * as time allows.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest, { type ExecutionContext } from 'ava'
import { PROJECT } from '../support/modules.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const KILLS = Number(process.env.HOLTFS_KILLS ?? 5)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
/** Milliseconds that a server serves before it is killed, and most of them. */
const LIFE = 300
const LONGEST_LIFE = 1500
/** Milliseconds from one kill to that of the next server. */
const TAKEOVER = 150
const hasGit = spawnSync('git', ['--version']).status === 0
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** In a directory each, as `CLIENT DIRECTORY STOP SEED`. */
const CLIENTS = { client: './outliving-client', bytes: './outliving-bytes' }
const compile = (to: string) =>
  `node_modules/.bin/tsc -p tsconfig.build.json --sourceMap false --inlineSources false --outDir '${to}'`

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
  compile: `
    cp -r "$PROJECT"/{src,package.json,tsconfig.json,tsconfig.build.json} . && ln -s "$PROJECT/node_modules"
    while [ ! -e "$STOP" ]; do
      rm -rf out && ${compile('out')} && diff -r "$COMPILED" out
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

for (const options of [
  ['--workers', '2', ...(SEED % 2 === 0 ? ['--pool', '4M'] : [])],
  ['--workers', '4', '--durability', 'sync'],
]) {
  test(`programs see no error while servers are killed: ${options.join(' ')}`, async t => {
    t.timeout(180_000 + KILLS * 30_000)
    t.log(`seed ${SEED}`)
    const mount = new RealMount('outlived')
    const source = join(mount.directory, 'source')
    const compiled = join(mount.directory, 'compiled')
    const stop = join(mount.directory, 'stop')
    await makeSource(source)
    await sh(compile(compiled), PROJECT)
    await mount.mount(...options)
    const names = Object.keys(SCRIPTS)
    await sh(`mkdir client bytes ${names.join(' ')}`, mount.path)
    const variables = `export SOURCE='${source}' STOP='${stop}' PROJECT='${PROJECT}' COMPILED='${compiled}'`
    const works = names.map(name =>
      sh(`${variables}; ${SCRIPTS[name]}`, join(mount.path, name)).catch(error => {
        throw new Error(`${name}: ${error.message}`)
      }),
    )
    for (const [directory, file] of Object.entries(CLIENTS)) {
      works.push(succeed(...program(file, join(mount.path, directory), stop, String(SEED))))
    }
    const all = Promise.all(works)
    const kills = await killServers(mount, seededRandom(SEED), all)
    await sh(`touch '${stop}'`, '/')
    for (const said of (await all).slice(names.length)) t.log(said.trim())
    report(t, mount, kills)
    await mount.umount()
    await mount.check()
  })
}

/** Kills servers until it is enough or `works` have ended, which is too early; returns how many. */
async function killServers(mount: RealMount, random: Random, works: Promise<unknown>): Promise<number> {
  let kills = 0
  for (let round = 0; round < KILLS; round++) {
    await Promise.race([sleep(LIFE + random() * (LONGEST_LIFE - LIFE)), works])
    const pauses = mount.pauses().length
    mount.killServer()
    kills++
    // Every fourth time also the one that is taking over, or has just done so.
    if (round % 4 === 3) {
      await sleep(random() * TAKEOVER)
      const [, next] = mount.processes()
      if (next !== undefined) process.kill(next, 'SIGKILL')
      kills++
    }
    while (mount.pauses().length === pauses || !mount.isServed()) await Promise.race([sleep(10), works])
  }
  return kills
}

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

function report(t: ExecutionContext, mount: RealMount, kills: number): void {
  const sorted = mount.pauses().sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  t.log(`${kills} kills; pause ${at(0.5)} ms in the median, ${at(0.9)} ms in nine of ten, at most ${at(1)} ms`)
  t.true(sorted.length >= KILLS)
}
