import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { App } from './app.ts'

// Half of what a process takes to begin is compiling the same modules again. Where the folder cannot be written nothing is kept.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/carillon', import.meta.url)))
const [{ startApp }, { loadConfig }, { createObserver }] = await Promise.all([
  import('./app.ts'),
  import('./config.ts'),
  import('./observe.ts'),
])
flushCompileCache()

const { values } = parseArgs({ options: { role: { type: 'string' } } })
const terminal = process.stdout.isTTY === true

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function configure() {
  try {
    return loadConfig({ ...process.env, ...(values.role && { CARILLON_ROLES: values.role }) })
  } catch (error) {
    say((error as Error).message)
    return process.exit(1)
  }
}

const config = configure()
const observer = createObserver({ level: config.logLevel, pretty: terminal })

async function start(): Promise<App> {
  try {
    return await startApp(config, observer)
  } catch (error) {
    observer.log.debug({ err: error }, 'did not start')
    observer.log.fatal(explain(error as NodeJS.ErrnoException))
    return process.exit(1)
  }
}

function explain(error: NodeJS.ErrnoException): string {
  const { host, port } = config.http
  if (error.code === 'EADDRINUSE') return `Something else listens on ${host}:${port}: set PORT to another one.`
  return error.message
}

const app = await start()
if (terminal && config.database.url === null) welcome(app)
else if (app.newAdminKey) observer.log.info({ file: `${config.dataDir}/admin-key` }, 'made a first API key')

function welcome({ url, newAdminKey }: App): void {
  const key = newAdminKey ? `\n  Your first API key:  ${newAdminKey}   (kept in ${config.dataDir}/admin-key)` : ''
  process.stdout.write(`
  Carillon is ready:   ${url}/graphql${key}
  Caught mail:         ${url}/mail

  Send something:

    curl -s ${url}/graphql -H "authorization: Bearer $(cat ${config.dataDir}/admin-key)" -H 'content-type: application/json' \\
      -d '{"query":"mutation { send(input: { to: { email: \\"ada@example.com\\" }, content: { title: \\"Hello\\", body: \\"It rings.\\" } }) { requestId } }"}'

`)
}

async function stop(code: number): Promise<never> {
  observer.log.info('stopping')
  const deadline = setTimeout(() => process.exit(1), 30_000)
  await app.stop()
  clearTimeout(deadline)
  observer.log.info('stopped')
  return process.exit(code)
}

const ending = await Promise.race([
  new Promise<number>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(0))
  }),
  app.failed.then((why) => {
    observer.log.fatal(why)
    return 1
  }),
])
await stop(ending)
