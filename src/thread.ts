/**
 * Starts a worker thread from a module of this package, whether it runs compiled (.js) or from its sources (.ts, under tsx,
 * whose loader a worker's entry does not get by itself on Node 20). Descriptors belong to the process: with Node's
 * default a thread would close at its end what it has opened for all.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * @param from `import.meta.url` of the caller
 * @param name the module's path relative to the caller, without its extension: `./worker`
 */
export function startThread(from: string, name: string, given: WorkerOptions): Worker {
  const options = { trackUnmanagedFds: false, execArgv: forModules(process.execArgv), ...given }
  if (!from.endsWith('.ts')) return new Worker(new URL(`${name}.js`, from), options)
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(new URL(`${name}.ts`, from).href)
  const code = `import(${loader}).then(tsx => { tsx.register(); return import(${entry}) })`
  // What --import gave this thread would be loaded once more.
  return new Worker(code, { ...options, execArgv: [], eval: true })
}

/** Without what only a program given with --eval can have: a thread that inherits it does not start. */
function forModules(execArgv: readonly string[]): string[] {
  return execArgv.filter((argument, at) => !argument.startsWith('--input-type') && execArgv[at - 1] !== '--input-type')
}
