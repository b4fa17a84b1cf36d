import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type CsvReader, createCsvReader, decode, guessDelimiter, NOT_UTF8, TOO_LONG } from './bulk-csv.ts'
import { Flaw, fileFault, UsageError } from './bulk-flaw.ts'
import { type Line, type Place, readLines, START, shownText, withoutReturn } from './bulk-line.ts'
import {
  type Choices,
  type Column,
  looksLikeRow,
  mapColumns,
  mappingText,
  type Recipient,
  recipientIn,
  recipientOf,
} from './bulk-mapping.ts'
import type { BulkOptions } from './bulk-options.ts'

/** A row of an import: somebody to send to, or why not. */
export interface Row {
  /** The number of its first line. */
  readonly line: number
  /** Where the next row begins. */
  readonly end: Place
  readonly raw: string
  readonly to: Recipient | null
  readonly flaw: Flaw | null
}

/** A file, or standard input, that was opened and whose header was read. */
export interface Source {
  /** How many bytes it has; null where nobody knows. */
  readonly bytes: number | null
  /** Where each column goes, a line each; empty where each row says it itself. */
  readonly mapping: readonly string[]
  /** Whether there is anybody to add; of standard input, whose first ten thousand rows are looked at, whether there may be. */
  hasAnybody(): Promise<boolean>
  /** The rows behind a place of the file: once, and of standard input only from its start. */
  rows(from: Place): AsyncGenerator<Row, void, void>
  close(): void
}

/** How many rows of standard input are looked through for anybody, since they are kept until they are asked for. */
const MAX_EARLY_ROWS = 10_000

/** @throws UsageError where there is no such file, or its header cannot be gone by */
export async function openSource(options: BulkOptions, stdin: NodeJS.ReadableStream): Promise<Source> {
  const { path, format } = options
  const bytes = path === null ? null : await sizeOf(path)
  const opened: { destroy?(): unknown }[] = []
  const open = (from: Place): AsyncGenerator<Line, void, void> => {
    const stream = path === null ? stdin : createReadStream(path, { start: from.bytes })
    opened.push(stream as { destroy?(): unknown })
    return readLines(stream as AsyncIterable<Buffer>, from)
  }
  const close = () => {
    for (const stream of opened) stream.destroy?.()
  }
  try {
    const { mapping, first, again } = await (format === 'jsonl' ? openJson(open, options) : openCsv(open, options))
    const early: Row[] = []
    const hasAnybody = async () => {
      for (let next = await first.next(); !next.done; next = await first.next()) {
        if (path === null) early.push(next.value)
        if (next.value.to !== null || early.length === MAX_EARLY_ROWS) return true
      }
      return false
    }
    return { bytes, mapping, hasAnybody, rows: (from) => (path === null ? chain(early, first) : again(from)), close }
  } catch (error) {
    close()
    throw error
  }
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`The file cannot be read: ${fileFault(error, path)}.`)
  })
  if (!found.isFile()) throw new UsageError(`${path} is no file. Give - to read standard input.`)
  return found.size
}

/** A file that was read to where its rows begin. */
interface Beginning {
  readonly mapping: readonly string[]
  /** All rows, from what was opened already. */
  readonly first: AsyncGenerator<Row, void, void>
  /** The rows behind a place, or all behind its start. */
  again(from: Place): AsyncGenerator<Row, void, void>
}

type Open = (from: Place) => AsyncGenerator<Line, void, void>

async function openJson(open: Open, { choices }: BulkOptions): Promise<Beginning> {
  const lines = open(START)
  const first = await lines.next()
  const early = first.done ? [] : [first.value]
  for (const { bytes } of early) refuseOtherForms(bytes)
  return { mapping: [], first: jsonRows(chain(early, lines), choices), again: (from) => jsonRows(open(from), choices) }
}

/** What files begin with, in hexadecimal, that are no text in UTF-8 (RFC 1952, APPNOTE.TXT of ZIP, MS-CFB). */
const OTHER_FORMS: readonly (readonly [RegExp, string])[] = [
  [/^1f8b/, 'The file is compressed, by gzip. Unpack it first.'],
  [/^504b0[35]0[46]/, 'The file is a ZIP archive, as Excel workbooks (.xlsx) are: unpack it, or save the sheet as CSV in UTF-8.'],
  [/^d0cf11e0/, 'The file is an Excel workbook (.xls). Save the sheet as CSV in UTF-8.'],
  // By its byte order mark, or by the zero beside the first letter.
  [/^(fffe|feff|00..|..00)/, 'The file is in UTF-16. Save it as UTF-8.'],
]

function refuseOtherForms(start: Buffer): void {
  const signs = start.subarray(0, 4).toString('hex')
  const found = OTHER_FORMS.find(([form]) => form.test(signs))
  if (found !== undefined) throw new UsageError(found[1])
}

async function openCsv(open: Open, options: BulkOptions): Promise<Beginning> {
  const lines = open(START)
  const first = await lines.next()
  if (first.done) throw new UsageError('The file is empty: its first line is to name the columns.')
  const { bytes } = first.value
  refuseOtherForms(bytes)
  if (bytes.subarray(0, -1).includes('\r'))
    throw new UsageError('Its lines end with a carriage return alone. Save it with LF or CRLF.')
  const delimiter = options.delimiter ?? guessDelimiter(shownText(bytes))
  const reader = createCsvReader(chain([first.value], lines), delimiter)
  const header = await reader.next(null)
  if (header === null) throw new UsageError('The file is empty: its first line is to name the columns.')
  if (header.fields instanceof Flaw) throw new UsageError(`The header cannot be read. ${header.fields.reason}`)
  const columns = mapColumns(header.fields, options.choices)
  const behind: Place = { bytes: header.end, lines: header.line + header.lines - 1 }
  return {
    mapping: mappingText(columns),
    first: csvRows(reader, columns),
    again: (from) => csvRows(createCsvReader(open(from.bytes === 0 ? behind : from), delimiter), columns),
  }
}

async function* chain<One>(early: readonly One[], rest: AsyncIterable<One>): AsyncGenerator<One, void, void> {
  yield* early
  yield* rest
}

async function* csvRows(reader: CsvReader, columns: readonly Column[]): AsyncGenerator<Row, void, void> {
  const shape = { columns: columns.length, isRow: (fields: readonly string[]) => looksLikeRow(columns, fields) }
  for (let record = await reader.next(shape); record !== null; record = await reader.next(shape)) {
    const { line, lines, end, raw, fields } = record
    const read = fields instanceof Flaw ? fields : recipientOf(columns, fields)
    yield rowOf(line, { bytes: end, lines: line + lines - 1 }, raw, read)
  }
}

async function* jsonRows(lines: AsyncIterable<Line>, choices: Choices): AsyncGenerator<Row, void, void> {
  for await (const line of lines) {
    const { number, bytes, end, isTooLong } = line
    if (withoutReturn(bytes).length === 0) continue
    yield rowOf(number, { bytes: end, lines: number }, shownText(bytes), isTooLong ? TOO_LONG : readJson(bytes, choices))
  }
}

function readJson(bytes: Buffer, choices: Choices): Recipient | Flaw {
  const text = decode(bytes)
  if (text === null) return NOT_UTF8
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return new Flaw('NOT_JSON', `It is no JSON: ${(error as Error).message}.`)
  }
  return recipientIn(value, choices)
}

function rowOf(line: number, end: Place, raw: string, read: Recipient | Flaw): Row {
  return read instanceof Flaw ? { line, end, raw, to: null, flaw: read } : { line, end, raw, to: read, flaw: null }
}
