/** ava on the compiled tests; package.json has what `npx ava test/...` goes by, which compiles nothing beforehand. */
export default {
  files: ['build/test/**/*.test.js'],
  workerThreads: false,
  timeout: '5m',
  concurrency: 3,
}
