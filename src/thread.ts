/**
 * Starts a worker thread from a module of this package, whether it runs compiled (.js) or from its sources (.ts, under tsx,
 * whose loader a worker's entry does not get by itself on Node 20). Descriptors belong to the process: with Node's
 * default a thread would close at its end what it has opened for all. Nor does it get what node was started with: options for
 * the program alone (--input-type, --import) would keep it from starting or load something twice, and those of V8 hold anyway.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * @param from `import.meta.url` of the caller
 * @param name the module's path relative to the caller, without its extension: `./worker`
 */
export function startThread(from: string, name: string, given: WorkerOptions): Worker {
  const options = { trackUnmanagedFds: false, execArgv: [], ...given }
  if (!from.endsWith('.ts')) return new Worker(new URL(`${name}.js`, from), options)
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(new URL(`${name}.ts`, from).href)
  const code = `import(${loader}).then(tsx => { tsx.register(); return import(${entry}) })`
  return new Worker(code, { ...options, eval: true })
}
