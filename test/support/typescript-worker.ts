/**
 * Starts a worker thread on a TypeScript file. On Node 20 the loader given by `--import` does not reach a worker's
 * entry file, so the worker registers it before it imports the file. Descriptors are the process's, as in the server:
 * with `trackUnmanagedFds` a worker would close at its end what it had opened for all.
 */
import { Worker } from 'node:worker_threads'

export function startTypeScriptWorker(file: URL, workerData: unknown): Worker {
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(file.href)
  const source = `import(${loader}).then(({ register }) => { register(); return import(${entry}) })`
  return new Worker(source, { eval: true, workerData, execArgv: [], trackUnmanagedFds: false })
}
