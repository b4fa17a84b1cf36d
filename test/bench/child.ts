import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A process of the bench. It says where it listens as `{"url": …}`, one JSON object a line. */
export interface Child {
  readonly url: string
  /** Sends it a message and waits for the answer. */
  ask<T>(message: object): Promise<T>
  stop(): Promise<void>
}

/** A folder where each process leaves its CPU profile as it ends. */
const { PROFILES } = process.env
const profiling = PROFILES === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${PROFILES}`]

/** Starts a TypeScript file as a process of its own, and waits until it says its url. */
export async function startChild(file: string, env: Record<string, string> = {}): Promise<Child> {
  const child = spawn(process.execPath, ['--no-warnings', '--max-semi-space-size=32', ...profiling, file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const url = await saidUrl(child, file)
  return {
    url,
    async ask<T>(message: object) {
      child.send(message)
      const [answer] = await once(child, 'message')
      return answer as T
    },
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

async function saidUrl(child: ChildProcess, file: string): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const said = JSON.parse(line) as { url?: string; msg?: string }
    if (said.url) {
      child.stdout!.resume()
      return said.url
    }
    process.stderr.write(`${line}\n`)
  }
  throw new Error(`${file} ended before it was ready.`)
}
