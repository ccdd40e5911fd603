/** Runs the host's commands (mount, umount, fusermount3, sync) without a shell. */
import { type StdioOptions, spawn } from 'node:child_process'

/** `message` is what it wrote to stderr, on one line. */
export function run(
  command: string,
  argv: readonly string[],
  stdio: StdioOptions,
  env?: NodeJS.ProcessEnv,
): Promise<{ status: number | null; message: string }> {
  return new Promise(resolve => {
    const child = spawn(command, argv, { stdio, env })
    let text = ''
    child.stderr?.on('data', chunk => {
      text += chunk
    })
    child.on('error', error => resolve({ status: null, message: error.message }))
    child.on('close', status => resolve({ status, message: text.trim().replaceAll(/\s*\n\s*/g, ' ') }))
  })
}
