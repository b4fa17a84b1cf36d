import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Half of what a command takes to begin is compiling the same modules again. Where the folder cannot be written nothing is kept.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/carillon', import.meta.url)))

const USAGE = `
  npm run carillon -- <command>

    demo       plays a whole scene: messages over several channels, their events live, the caught mail
    bulk       sends one message to everybody in a CSV or JSON Lines file: bulk --help
    doctor     checks the configuration, the database, Redis and the data dir, and changes nothing
    types      writes the TypeScript types of what published templates take as data: --out <path>, or printed
    settings   prints every setting with its default and meaning
    help       this

`

/** Whether it went well, or an exit code of its own. */
type Run = (signal: AbortSignal, args: readonly string[]) => Promise<boolean | number>

const { env, stdout } = process

const help: Run = async () => stdout.write(USAGE) || true

const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['demo', async (signal) => (await import('./demo.ts')).playDemo(env, stdout, signal)],
  ['bulk', async (signal, args) => (await import('./bulk.ts')).sendBulk(args, env, process, signal)],
  ['doctor', async () => (await import('./doctor.ts')).examine(env, stdout)],
  ['types', async (signal, args) => (await import('./types.ts')).writeTypes(args, env, stdout, signal)],
  ['settings', async () => stdout.write(`${(await import('../config.ts')).settingsTable()}\n`) || true],
  ['help', help],
  ['--help', help],
])

/** Runs one command. Ctrl-C ends it, and what it started with it. */
async function main(name: string, args: readonly string[]): Promise<number> {
  const run = COMMANDS.get(name)
  if (run === undefined) {
    process.stderr.write(`There is no command '${name}'.\n${USAGE}`)
    return 2
  }
  const ended = new AbortController()
  // Not once: a second Ctrl-C must not cut short the cleaning up of the first.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort())
  try {
    const result = await run(ended.signal, args)
    return typeof result === 'number' ? result : Number(!result)
  } catch (error) {
    process.stderr.write(
      ended.signal.aborted ? '\n  Ended early; nothing is left running.\n\n' : `\n  ${(error as Error).message}\n\n`,
    )
    return 1
  }
}

const [name = 'help', ...args] = process.argv.slice(2)
process.exit(await main(name, args))
