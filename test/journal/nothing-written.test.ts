/** A host whose write(2) answers that no byte was written, and no error: nobody may ask it for ever. */
import fs, { mkdtempSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openStore } from '../../src/engine/store.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'

const { writeSync } = fs

/** Runs `step` on a host that writes half of the first call, and nothing of the next ones. */
function onDeafHost(step: () => void): void {
  let calls = 0
  const deaf = (fd: number, bytes: Uint8Array, at: number, length: number, position: number) => {
    calls++
    return calls === 1 ? writeSync(fd, bytes, at, length >> 1, position) : 0
  }
  fs.writeSync = deaf as typeof writeSync
  syncBuiltinESMExports()
  try {
    step()
  } finally {
    fs.writeSync = writeSync
    syncBuiltinESMExports()
  }
}

function opened(t: ExecutionContext) {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-deaf-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  // Without mapping, so that the log is written.
  const storage = { ...hostStorage, mapping: undefined }
  return { directory, storage, store: openStore(directory, { background: false, poolBytes: 4 << 20, storage }) }
}

test.serial('the log fails, and what was acknowledged before is there', t => {
  const { directory, storage, store } = opened(t)
  store.tree.put('before', 'value')
  onDeafHost(() => t.throws(() => store.tree.put('key', 'value'), { code: 'HOLT_IO', message: /cannot write the log/ }))
  t.throws(() => store.tree.put('key', 'value'), { code: 'HOLT_FAILED' })
  store.close()
  const again = openStore(directory, { background: false, storage })
  t.is(again.tree.get('before')?.toString(), 'value')
  again.close()
})

test.serial('a checkpoint round fails, and a later one succeeds', t => {
  const { store } = opened(t)
  store.tree.put('key', 'value')
  onDeafHost(() => t.throws(() => store.tree.checkpoint(), { code: 'HOLT_IO', message: /no byte/ }))
  t.true(store.tree.checkpoint())
  store.close()
})

test.serial('a write to a data file answers EIO', t => {
  const { directory, storage, store } = opened(t)
  const f = new FsFixture(store.tree, storage, directory)
  const { ino } = f.mknod(ROOT, 'file') as Attributes
  t.is(f.write(ino, 0, new Uint8Array(50_000)), 50_000)
  onDeafHost(() => t.is(f.write(ino, 0, new Uint8Array(50_000).fill(1)), -5))
  t.is(f.write(ino, 0, new Uint8Array(50_000).fill(2)), 50_000)
  f.data.close()
  store.close()
})
