/**
 * The programs of the soak that people use: git, tar, sqlite3. Each is a shell script that works in the directory it is started in
 * until the file $STOP exists, compares what it made with files on the host or with what it counted, and prints a line with the
 * number of its rounds after each. Any failure of a command ends it (so none stands before an &&, where bash would not notice). `verify` looks again later, in the same directory.
 */
import { spawnSync } from 'node:child_process'

export interface Program {
  script: string
  verify: string
}

/** Rounds after which a program begins anew, so that what it keeps does not grow for ever. */
const ROUNDS = 25

const HOME = 'export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1'

const git: Program = {
  script: `
    ${HOME}
    git config --global user.name soak
    git config --global user.email soak@localhost
    git config --global gc.auto 40
    n=0
    while [ ! -e "$STOP" ]; do
      if [ $((n % ${ROUNDS})) = 0 ]; then
        rm -rf project clone
        git init -q -b main project
        cp -a "$SOURCE/." project/
        git -C project add -A
        git -C project commit -qm first
      fi
      cd project
      git checkout -q -b topic
      echo $n >> changed
      rm d/file3
      mkdir -p new/$n
      echo $n > new/$n/file
      git add -A
      git commit -qm "change $n"
      git checkout -q main
      [ -e d/file3 ]
      [ ! -e new/$n ]
      git merge -q --no-ff -m "merge $n" topic
      git branch -q -d topic
      git checkout -q HEAD~1 -- d/file3
      git add -A
      git commit -qm "back $n"
      [ -z "$(git status --porcelain)" ]
      diff -r "$SOURCE/d" d
      cd ..
      if [ $((n % 5)) = 0 ]; then
        git -C project fsck --strict --no-progress
        rm -rf clone
        git clone -q project clone
        diff -r clone/d "$SOURCE/d"
      fi
      n=$((n + 1))
      echo $n
    done`,
  verify: `
    ${HOME}
    if [ -d project ]; then
      git -C project fsck --strict --no-progress
      [ -z "$(git -C project status --porcelain)" ]
    fi`,
}

const tar: Program = {
  script: `
    n=0
    while [ ! -e "$STOP" ]; do
      tar -cf tree.tar -C "$SOURCE" .
      tar -df tree.tar -C "$SOURCE"
      rm -rf tree
      mkdir tree
      tar -xf tree.tar -C tree
      diff -r "$SOURCE" tree
      tar -df tree.tar -C tree
      n=$((n + 1))
      echo $n
    done`,
  verify: `
    if [ -d tree ]; then
      diff -r "$SOURCE" tree
      tar -df tree.tar -C tree
    fi`,
}

/** Rows are counted in a variable, and their sums in the table: what a transaction changed is there as a whole or not at all. */
function sqlite(mode: string): Program {
  const check = `[ "$(sqlite3 test.db 'PRAGMA integrity_check')" = ok ]`
  return {
    script: `
      n=0 rows=0
      ask() { sqlite3 -bail -cmd '.timeout 60000' test.db "$@"; }
      while [ ! -e "$STOP" ]; do
        if [ $((n % ${ROUNDS})) = 0 ]; then
          rm -f test.db*
          rows=0
          [ "$(ask 'PRAGMA journal_mode=${mode}')" = ${mode} ]
          ask 'CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, twice INT); CREATE INDEX tv ON t(v)'
        fi
        ask "BEGIN; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<200)
          INSERT INTO t(v, twice) SELECT hex(randomblob(60)), x*2 FROM c; COMMIT"
        rows=$((rows + 200))
        ask "UPDATE t SET v = hex(randomblob(30)), twice = twice + 2 WHERE id % 7 = $((n % 7))"
        ask "BEGIN; DELETE FROM t; ROLLBACK"
        [ "$(ask 'SELECT count(*) FROM t')" = $rows ]
        [ "$(ask 'SELECT count(*) FROM t WHERE v IN (SELECT v FROM t)')" = $rows ]
        if [ $((n % 5)) = 0 ]; then
          ${check}
          ask 'DELETE FROM t WHERE id % 2; VACUUM'
          rows=$(ask 'SELECT count(*) FROM t')
          ${check}
        fi
        n=$((n + 1))
        echo $n
      done`,
    verify: `if [ -e test.db ]; then ${check}; fi`,
  }
}

/** By name, those whose command this machine has. */
export function availablePrograms(): Map<string, Program> {
  const has = (command: string, flag: string) => spawnSync(command, [flag]).status === 0
  const programs = new Map<string, Program>()
  programs.set('tar', tar)
  if (has('git', '--version')) programs.set('git', git)
  if (has('sqlite3', '-version')) {
    programs.set('sqlite-wal', sqlite('wal'))
    programs.set('sqlite-journal', sqlite('delete'))
  }
  return programs
}

/** Makes the tree on the host that programs copy. */
export const MAKE_SOURCE = `
  mkdir -p d/deep/er e
  for d in d e; do
    for i in 1 2 3 4 5 6 7 8; do head -c $((i * 900)) /dev/urandom > $d/file$i; done
    head -c 150000 /dev/urandom > $d/large; ln -s file1 $d/link
  done
  ln d/file2 d/deep/er/hard; : > d/empty`
