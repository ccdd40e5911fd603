/** What a user of the package gets: its documents lead nowhere else, and a strict TypeScript program can use it. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { cleanUp, command, scratch } from './fuse/harness.ts'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const COMPILER = join(PROJECT, 'node_modules/typescript/bin/tsc')

test.after.always(cleanUp)

test('documents of the package link to what is in the package', async t => {
  const { code, out, err } = await command('npm', ['pack', PROJECT, '--dry-run', '--ignore-scripts', '--json'])
  t.is(code, 0, err)
  const [{ files }] = JSON.parse(out) as [{ files: { path: string }[] }]
  const paths = new Set(files.map(file => join('/', file.path)))
  for (const document of [...paths].filter(path => path.endsWith('.md'))) {
    const text = readFileSync(join(PROJECT, document), 'utf8')
    for (const [, link] of text.matchAll(/\]\(([\w./-]+)(?:#[\w-]+)?\)/g)) {
      const target = join(document, '..', link)
      t.true(
        [...paths].some(path => path === target || path.startsWith(`${target}/`)),
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
  const compiled = await command(process.execPath, [COMPILER, '-p', directory])
  t.deepEqual(compiled, { code: 0, out: '', err: '' })
  const ran = await command(process.execPath, [join(directory, 'sample.mjs')])
  t.deepEqual(ran, { code: 0, out: 'people/ada/\n', err: '' })
})
