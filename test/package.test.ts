/** What a user of the package gets: its documents lead nowhere else, and a strict TypeScript program can use it. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { cleanUp, scratch } from './fuse/harness.ts'
import { run } from './mount/real-mount.ts'
import { PROJECT } from './support/modules.ts'

const COMPILER = join(PROJECT, 'node_modules/typescript/bin/tsc')

test.after.always(cleanUp)

test('documents of the package link to what is in the package', t => {
  const { files } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { files: string[] }
  const documents = files.flatMap(entry =>
    statSync(join(PROJECT, entry), { throwIfNoEntry: false })?.isDirectory()
      ? readdirSync(join(PROJECT, entry)).map(name => join(entry, name))
      : [entry],
  )
  for (const document of documents.filter(path => path.endsWith('.md'))) {
    const text = readFileSync(join(PROJECT, document), 'utf8')
    for (const [, link] of text.matchAll(/\]\(([\w./-]+)(?:#[\w-]+)?\)/g)) {
      const target = join(document, '..', link)
      t.true(
        files.some(entry => target === entry || target.startsWith(`${entry}/`)),
        `${document} links to ${link}`,
      )
    }
  }
})

test('the sample of the README compiles without skipLibCheck, beside every public name, and runs', async t => {
  const directory = scratch('package')
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(PROJECT, join(directory, 'node_modules/holtfs'))
  symlinkSync(join(PROJECT, 'node_modules/@types'), join(directory, 'node_modules/@types'))
  const [, sample] = /```ts\n([^`]*)```/.exec(readFileSync(join(PROJECT, 'README.md'), 'utf8')) ?? []
  const written = sample.replace('/var/lib/app/meta', join(directory, 'store'))
  writeFileSync(join(directory, 'sample.mts'), `const sortedEntries: [string, string][] = [['zebra', '1']]\n${written}`)
  const names = readFileSync(join(PROJECT, 'src/index.ts'), 'utf8').matchAll(/^export (?:type )?\{(.*)\}/gm)
  const exported = [...names].flatMap(([, list]) =>
    list.split(',').map(name => name.replace(/^.* as |type /g, '').trim()),
  )
  t.true(exported.includes('Tree') && exported.includes('MountOptions'))
  const uses = exported.map((name, at) => `export type { ${name} as _${at} } from 'holtfs'`)
  writeFileSync(join(directory, 'names.mts'), `${uses.join('\n')}\n`)
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    module: 'NodeNext',
    target: 'ES2022',
    types: ['node'],
  }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }))
  const compiled = await run(process.execPath, [COMPILER, '-p', directory])
  t.deepEqual(compiled, { code: 0, out: '', err: '' })
  const ran = await run(process.execPath, [join(directory, 'sample.mjs')])
  t.deepEqual(ran, { code: 0, out: 'people/ada/\n', err: '' })
})
