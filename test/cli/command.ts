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
 * @param largestFile how many bytes a file that it writes may have, as if a disk were full; a multiple of 512
 */
export function startCommand(
  args: readonly string[],
  env: Record<string, string> = {},
  input: string | Buffer = '',
  largestFile?: number,
): ChildProcess & { ended: Promise<Ended> } {
  const [command, ...rest] = [...(largestFile === undefined ? [] : limited(largestFile)), process.execPath]
  const child = spawn(command!, [...rest, '--no-warnings', ENTRY, ...args], {
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

/** Of POSIX, whose blocks have 512 bytes: what is longer is written as far as it goes, and the next write fails. */
const limited = (largestFile: number) => ['/bin/sh', '-c', `ulimit -f ${largestFile / 512}; exec "$0" "$@"`]
