import { settingsTable } from '../config.ts'
import { playDemo } from './demo.ts'
import { examine } from './doctor.ts'
import { writeTypes } from './types.ts'

const USAGE = `
  npm run carillon -- <command>

    demo       plays a whole scene: messages over several channels, their events live, the caught mail
    doctor     checks the configuration, the database, Redis and the data dir, and changes nothing
    types      writes the TypeScript types of what published templates take as data: --out <path>, or printed
    settings   prints every setting with its default and meaning
    help       this

`

type Run = (signal: AbortSignal, args: readonly string[]) => Promise<boolean>

const help: Run = async () => process.stdout.write(USAGE) || true

const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['demo', (signal) => playDemo(process.env, process.stdout, signal)],
  ['doctor', () => examine(process.env, process.stdout)],
  ['types', (signal, args) => writeTypes(args, process.env, process.stdout, signal)],
  ['settings', async () => process.stdout.write(`${settingsTable()}\n`) || true],
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
    return (await run(ended.signal, args)) ? 0 : 1
  } catch (error) {
    process.stderr.write(
      ended.signal.aborted ? '\n  Ended early; nothing is left running.\n\n' : `\n  ${(error as Error).message}\n\n`,
    )
    return 1
  }
}

const [name = 'help', ...args] = process.argv.slice(2)
process.exit(await main(name, args))
