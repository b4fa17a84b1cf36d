import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface OwnServer {
  readonly url: string
  readonly adminKey: string
  /** Ends the server and removes its data dir. */
  stop(): Promise<void>
}

const MAIN = new URL('../main.ts', import.meta.url).pathname
const LAST_WORDS = 20

/**
 * A whole Carillon of one's own: embedded database, free port, a data dir that goes with it. URLs may name the loopback
 * interface, so that the outside can be played here too.
 *
 * @param inherited the environment it is started from; only what finds programs and folders is passed on
 * @param signal ends it, also while it starts
 * @throws with its last words when it does not come up
 */
export async function startOwnServer(
  inherited: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<OwnServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'carillon-demo-'))
  const adminKey = `ck_live_${randomBytes(32).toString('base64url')}`
  const child = spawn(process.execPath, ['--no-warnings', '--max-semi-space-size=32', MAIN], {
    env: {
      PATH: inherited.PATH,
      HOME: inherited.HOME,
      TMPDIR: inherited.TMPDIR,
      PORT: '0',
      CARILLON_DATA_DIR: dataDir,
      CARILLON_ADMIN_KEY: adminKey,
      CARILLON_ALLOWED_NETWORKS: '127.0.0.0/8',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const abort = () => child.kill('SIGTERM')
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  const stop = async () => {
    await end(child)
    // A server ended while it started may be survived for a moment by its database, which still writes.
    await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
  try {
    return { url: await readiness(child), adminKey, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The address that its log names once it serves. The log is read to its end, or a full pipe would stop the server. */
async function readiness(child: ChildProcess): Promise<string> {
  const said: string[] = []
  const keep = (line: string) => {
    said.push(line)
    if (said.length > LAST_WORDS) said.shift()
  }
  const complaints = createInterface({ input: child.stderr! }).on('line', keep)
  const url = await new Promise<string | null>((resolve) => {
    createInterface({ input: child.stdout! })
      .on('line', (line) => {
        keep(line)
        const url = readyUrl(line)
        if (url !== null) resolve(url)
      })
      .on('close', () => resolve(null))
  })
  if (url !== null) return url
  if (child.stderr?.readable) await once(complaints, 'close')
  throw new Error(`The server did not start:\n${said.join('\n')}`)
}

function readyUrl(line: string): string | null {
  if (!line.startsWith('{')) return null
  const { msg, url } = JSON.parse(line) as { msg?: string; url?: string }
  return msg === 'ready' && url !== undefined ? url : null
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
