/** The documents name only files that are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = ['README.md', ...readdirSync(join(root, 'docs')).map(name => `docs/${name}`)]

test('files and documents that the documents name exist', t => {
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [, path] of text.matchAll(/`((?:src|test|bench|examples)\/[\w./-]+\.\w+)`/g)) {
      t.true(existsSync(join(root, path)), `${document} names ${path}`)
    }
    for (const [, link] of text.matchAll(/\]\(([\w./-]+)\)/g)) {
      t.true(existsSync(join(root, document, '..', link)), `${document} links to ${link}`)
    }
  }
})
