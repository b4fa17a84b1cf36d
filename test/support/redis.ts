import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'

export interface TestRedis {
  readonly url: string
  readonly port: number
  /** SIGKILL; everything in it is forgotten. */
  kill(): Promise<void>
  /** Again on the same port, after kill or stop. */
  start(): Promise<void>
  /** Ends it for good. */
  stop(): Promise<void>
}

/**
 * A Redis of one's own on loopback that keeps nothing. Null where there is no redis-server, which is said; skip by name then:
 * `test.skipIf(redis === null)`. Under CI=true that is a failure.
 */
export async function startRedis(): Promise<TestRedis | null> {
  if (!isInstalled()) return refuse()
  const port = await freePort()
  let server = await launch(port)
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill: () => end(server, 'SIGKILL'),
    async start() {
      server = await launch(port)
    },
    stop: () => end(server, 'SIGTERM'),
  }
}

function isInstalled(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

function refuse(): null {
  if (process.env.CI === 'true') throw new Error('redis-server is not installed, and under CI every test runs.')
  process.stderr.write('Not run: tests with Redis, since there is no redis-server here (apt install redis-server).\n')
  return null
}

async function launch(port: number): Promise<ChildProcess> {
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()]
  const server = spawn('redis-server', args, { stdio: 'ignore' })
  for (let tries = 0; tries < 500; tries++) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode} on port ${port}.`)
    if (await answers(port)) return server
    await wait(10)
  }
  server.kill('SIGKILL')
  throw new Error(`redis-server did not answer on port ${port}.`)
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exited = once(server, 'exit')
  server.kill(signal)
  await exited
}

async function answers(port: number): Promise<boolean> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [reply] = await once(socket, 'data')
    return String(reply).startsWith('+PONG')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** One that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
