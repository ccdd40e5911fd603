/**
 * Child process of the differential suite: `run-script.ts SCRIPT DIRECTORY...` runs a script in each directory in turn and
 * prints what it saw there as JSON, one array for each, and the script's intended differences.
 */
import { chmodSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Scene, type Script } from './scene.ts'

const [path, ...directories] = process.argv.slice(2)
const { default: script } = (await import(pathToFileURL(path).href)) as { default: Script }
const outcomes: unknown[] = []
for (const directory of directories) {
  process.umask(0o022)
  // Seven bytes on both filesystems, so that paths have the same lengths.
  const root = mkdtempSync(join(directory, 'r'))
  chmodSync(root, 0o755)
  process.chdir(root)
  const scene = new Scene()
  await script.run(scene)
  process.chdir('/')
  outcomes.push(scene.outcomes)
}
process.stdout.write(JSON.stringify({ outcomes, differences: script.differences ?? [] }))
