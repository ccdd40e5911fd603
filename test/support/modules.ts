/**
 * How a test starts a module of its own as a process (as a thread: `src/thread.ts`), and where the project is. Tests run
 * compiled, from build/ (`npm test`), or from their sources under tsx (`npx ava test/…`); what they start runs like them.
 */
import { fileURLToPath } from 'node:url'

const isSource = import.meta.url.endsWith('.ts')

/** The directory of package.json, with a slash at its end. */
export const PROJECT = fileURLToPath(new URL(isSource ? '../..' : '../../..', import.meta.url))

/** What node needs to run such a module; does not depend on the working directory. */
export const NODE_ARGUMENTS = isSource ? [`--import=${import.meta.resolve('tsx')}`] : []

/**
 * @param from `import.meta.url` of the caller
 * @param name the module's path relative to the caller, without its extension: `./client`
 */
export function pathOf(from: string, name: string): string {
  return fileURLToPath(new URL(`${name}${isSource ? '.ts' : '.js'}`, from))
}
