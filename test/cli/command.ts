import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

const ENTRY = new URL('../../src/cli/carillon.ts', import.meta.url).pathname

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * The command line as npm starts it, in an environment with nothing but what is given.
 *
 * @param input what it reads from standard input
 */
export function startCommand(
  args: readonly string[],
  env: Record<string, string> = {},
  input: string | Buffer = '',
): ChildProcess & { ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--no-warnings', ENTRY, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // A command that reads nothing may be gone before it could.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const ended = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]).then(
    ([[code], stdout, stderr]): Ended => ({ code: code as number | null, stdout, stderr }),
  )
  return Object.assign(child, { ended })
}

export function run(args: readonly string[], env: Record<string, string> = {}, input?: string | Buffer): Promise<Ended> {
  return startCommand(args, env, input).ended
}
