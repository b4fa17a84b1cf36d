import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const START_MS = 60_000
/** Code compiled once serves every process that is started: half of what a start costs. */
const COMPILED = join(tmpdir(), 'carillon-compiled')

export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly url?: string
}

/** A real process of ours, which can be killed, stopped and woken. */
export interface Carillon {
  readonly pid: number
  /** http://127.0.0.1:… */
  readonly url: string
  readonly port: number
  /** What it has logged so far. */
  readonly lines: readonly LogLine[]
  readonly hasEnded: () => boolean
  readonly exited: Promise<void>
  signal(name: NodeJS.Signals): void
  /** SIGKILL, or another signal, and until it is gone. */
  end(name?: NodeJS.Signals): Promise<void>
}

/**
 * Starts Carillon and resolves once it says that it is ready.
 *
 * @param env the settings it is started with; nothing of this process's own environment but PATH reaches it
 * @param main the file that is started
 * @throws with what it logged when it ends before, or is not ready within a minute
 */
export async function startCarillon(env: Readonly<Record<string, string>>, main = MAIN): Promise<Carillon> {
  const child = spawn(process.execPath, ['--no-warnings', main], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILED, HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killWithUs = () => child.kill('SIGKILL')
  process.once('exit', killWithUs)
  const lines: LogLine[] = []
  const told: string[] = []
  const exited = once(child, 'exit').then(() => {
    process.off('exit', killWithUs)
  })
  const ready = Promise.withResolvers<string>()
  createInterface({ input: child.stderr }).on('line', (text) => told.push(text))
  createInterface({ input: child.stdout }).on('line', (text) => {
    told.push(text)
    const line = JSON.parse(text) as LogLine
    lines.push(line)
    if (line.msg === 'ready') ready.resolve(line.url!)
  })
  const refuse = (why: string) => ready.reject(new Error(`A process ${why}:\n${told.slice(-20).join('\n')}`))
  const late = setTimeout(() => refuse('was not ready within a minute'), START_MS)
  void exited.then(() => refuse('ended before it was ready'))
  try {
    const url = await ready.promise
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null
    return {
      pid: child.pid!,
      url,
      port: Number(new URL(url).port),
      lines,
      hasEnded,
      exited,
      signal: (name) => void child.kill(name),
      async end(name = 'SIGKILL') {
        child.kill(name)
        await exited
      },
    }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(late)
  }
}
