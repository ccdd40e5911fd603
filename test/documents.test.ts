/** The documents name only files that are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { PROJECT } from './support/modules.ts'

const documents = ['README.md', ...readdirSync(join(PROJECT, 'docs')).map(name => `docs/${name}`)]

test('files and documents that the documents name exist', t => {
  for (const document of documents) {
    const text = readFileSync(join(PROJECT, document), 'utf8')
    for (const [, path] of text.matchAll(/`((?:src|test|bench|examples)\/[\w./-]+\.\w+)`/g)) {
      t.true(existsSync(join(PROJECT, path)), `${document} names ${path}`)
    }
    for (const [, link] of text.matchAll(/\]\(([\w./-]+)\)/g)) {
      t.true(existsSync(join(PROJECT, document, '..', link)), `${document} links to ${link}`)
    }
  }
})
