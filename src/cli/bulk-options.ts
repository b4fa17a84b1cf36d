import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fileFault, UsageError } from './bulk-flaw.ts'
import { type Choices, faultIn, readTarget, type Target } from './bulk-mapping.ts'

export const BULK_USAGE = `
  npm run carillon -- bulk <file> --message <file> [options]

  Sends one message to everybody in a CSV or JSON Lines file, once. '-' is standard input. Stopped in any way, the same command
  goes on where it was. How far it is stands beside the file in <file>.carillon.json, which knows for good what was sent. Under
  another name, or without that file, the same content with the same message is known to the server, but only within 24 hours:
  after that it is sent again. The server is the one that CARILLON_PUBLIC_URL names, with CARILLON_ADMIN_KEY; a key needs
  BULK_WRITE.

  what is sent
    --message <file>        JSON: the API's MessageInput, { "template": "news", "topicId": "news" }
    --template <id>         instead of a message: a template,
    --data <json>           and its data, which everybody's own goes over

  whom it is sent to
    --format csv|jsonl      by the file's name, otherwise csv
    --delimiter <sign>      of CSV; without it the one of , ; and tab that the header has most of
    --map <target>=<column> where a column goes: userId, email, phoneNumber, tenantId, locale, timezone, data.name, profile.name,
                            slack.channel, …; with :number, :boolean or :json behind it, it is read as that. Again for each column.
    --ignore <column>       leaves a column out; again for each
                            A column that is called like a target goes there by itself, and any other into data by its name.
                            A line of JSON Lines may also be { "to": { … } }, or a RecipientInput.

  how it goes
    --rejects <file>        where refused rows go, as CSV: line, code, reason, row; without it <file>.rejects.csv
    --dry-run               reads and checks it all here, shows what would be sent, and sends nothing
    --again                 sends a file once more that was sent already
    --job <id>              adds to this job instead of making one, and runs it; standard input can so be gone on with
    --help                  this

  Standard input has no file beside it: only with --job can it go on, within 24 hours. What was stopped for longer than that goes
  on too, but some of its last rows may stand in the reject file as duplicates although they were added.

  It ends with 0 when everybody was added, if there was anybody, and no message failed, 3 when rows were rejected or messages failed,
  2 when the command, the key, the header or the message cannot be gone by and nothing was sent, and 1 when it could not go on or its
  job was canceled or given up.

`

export interface BulkOptions {
  /** Null is standard input. */
  readonly path: string | null
  readonly format: 'csv' | 'jsonl'
  /** Null: to be guessed. */
  readonly delimiter: string | null
  readonly choices: Choices
  readonly rejects: string
  /** MessageInput; null where a job has it. */
  readonly message: Readonly<Record<string, unknown>> | null
  readonly job: string | null
  readonly isAgain: boolean
  readonly isDryRun: boolean
}

const OPTIONS = {
  message: { type: 'string' },
  template: { type: 'string' },
  data: { type: 'string' },
  format: { type: 'string' },
  delimiter: { type: 'string' },
  map: { type: 'string', multiple: true },
  ignore: { type: 'string', multiple: true },
  rejects: { type: 'string' },
  job: { type: 'string' },
  again: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  help: { type: 'boolean' },
} as const

type Values = ReturnType<typeof parse>['values']

/**
 * What the command says; null where it asks for help.
 *
 * @param folder where relative paths begin, which is not always where the process is: npm starts it at the project's root
 * @throws UsageError where it cannot be gone by
 */
export async function readOptions(args: readonly string[], folder: string): Promise<BulkOptions | null> {
  const { values: given, positionals } = parse(args)
  if (given.help) return null
  const [file, ...more] = positionals
  if (file === undefined || more.length > 0) throw new UsageError('Name one file, or - for standard input.')
  const within = (name: string) => (resolve(folder) === process.cwd() ? name : resolve(folder, name))
  const values = {
    ...given,
    ...(given.message !== undefined && { message: within(given.message) }),
    ...(given.rejects !== undefined && { rejects: within(given.rejects) }),
  }
  const path = file === '-' ? null : within(file)
  const rejects = values.rejects ?? (path === null ? within('stdin.rejects.csv') : `${path}.rejects.csv`)
  if (rejects === path) throw new UsageError('--rejects names the file itself.')
  return {
    path,
    format: formatOf(values.format, file),
    delimiter: delimiterOf(values.delimiter),
    choices: choicesOf(values),
    rejects,
    message: await messageOf(values),
    job: values.job ?? null,
    isAgain: values.again ?? false,
    isDryRun: values['dry-run'] ?? false,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const [, option] = /'(--?[^' ]+)/.exec(message) ?? []
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new UsageError(`There is no option ${option}; --help lists them.`)
    throw new UsageError(message)
  }
}

function formatOf(said: string | undefined, file: string): BulkOptions['format'] {
  if (said === undefined) return /\.(jsonl|ndjson)$/i.test(file) ? 'jsonl' : 'csv'
  if (said !== 'csv' && said !== 'jsonl') throw new UsageError(`--format is csv or jsonl, not '${said}'.`)
  return said
}

function delimiterOf(said: string | undefined): string | null {
  if (said === undefined) return null
  const delimiter = said === '\\t' || said === 'tab' ? '\t' : said
  if (!/^[\t\x20-\x7e]$/.test(delimiter) || delimiter === '"')
    throw new UsageError('--delimiter is one sign of ASCII, and no quote.')
  return delimiter
}

function choicesOf({ map = [], ignore = [] }: Values): Choices {
  const choices = new Map<string, Target | null>()
  const choose = (column: string, target: Target | null) => {
    if (choices.has(column)) throw new UsageError(`Two options are about the column '${column}'.`)
    choices.set(column, target)
  }
  for (const one of map) {
    const [, target, column] = /^([^=]+)=(.+)$/s.exec(one) ?? []
    if (target === undefined || column === undefined) throw new UsageError(`--map is <target>=<column>, not '${one}'.`)
    choose(column.trim(), readTarget(target.trim()))
  }
  for (const column of ignore) choose(column.trim(), null)
  return choices
}

async function messageOf({ message, template, data, job }: Values): Promise<BulkOptions['message']> {
  if (message !== undefined && (template !== undefined || data !== undefined)) {
    throw new UsageError('Give a --message, or a --template with its --data, not both.')
  }
  if (message !== undefined) {
    const text = await readFile(message, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`The message cannot be read: ${fileFault(error, message)}.`)
    })
    return objectIn(text, `The message in ${message}`)
  }
  if (template !== undefined) return { template, ...(data !== undefined && { data: objectIn(data, '--data') }) }
  if (data !== undefined) throw new UsageError('--data is the data of a --template.')
  if (job === undefined) throw new UsageError('Say what to send: --message <file>, or --template <id>.')
  return null
}

function objectIn(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    throw new UsageError(`${what} is no JSON: ${(error as Error).message}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UsageError(`${what} is no JSON object.`)
  const fault = faultIn(value)
  if (fault !== null) throw new UsageError(`${what} ${fault}.`)
  return value as Readonly<Record<string, unknown>>
}
