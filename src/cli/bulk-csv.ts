import { type CsvError, parse } from 'csv-parse/sync'
import { createLookahead } from './bulk-ahead.ts'
import { Flaw } from './bulk-flaw.ts'
import { type Line, MAX_LINE_BYTES, shownText, withoutReturn } from './bulk-line.ts'

/** A record of a CSV file (RFC 4180), which takes one line or, with line ends within quotes, several. */
export interface CsvRecord {
  /** Of its first line. */
  readonly line: number
  readonly lines: number
  /** How many bytes of the file lie before the next record. */
  readonly end: number
  readonly raw: string
  readonly fields: readonly string[] | Flaw
}

/** What the records of a file must be like. */
export interface CsvShape {
  readonly columns: number
  /** Whether a line that a quoted field would swallow is rather a row of its own. */
  isRow(fields: readonly string[]): boolean
}

export interface CsvReader {
  /** The next record that is not empty; null at the end. Without a shape nothing is asked of it but its quotes. */
  next(shape: CsvShape | null): Promise<CsvRecord | null>
}

/**
 * Reads records so that broken quoting costs the line it is in and no other. A quote that is never closed would have the rest of
 * the file for its field: where it opens, lines are read ahead until the quotes are even. If what they make is no record of
 * the file's shape, or holds lines that are rows, the first line alone is refused, and reading goes on with the second.
 */
export function createCsvReader(source: AsyncIterable<Line>, delimiter: string): CsvReader {
  const ahead = createLookahead(source)

  /** How many lines the first one opens; null where its quotes are never closed. */
  const countLines = async (first: Line): Promise<number | null> => {
    let quotes = quotesIn(first.bytes)
    let bytes = first.bytes.length
    let count = 1
    while (quotes % 2 === 1) {
      const next = await ahead.at(count)
      bytes += next?.bytes.length ?? 0
      if (next === null || next.isTooLong || bytes > MAX_LINE_BYTES) return null
      quotes += quotesIn(next.bytes)
      count += 1
    }
    return count
  }

  const recordOf = (count: number, fields: CsvRecord['fields']): CsvRecord => {
    const taken = ahead.take(count)
    return {
      line: taken[0]!.number,
      lines: count,
      end: taken.at(-1)!.end,
      raw: shownText(joined(taken)),
      fields,
    }
  }

  const isBroken = (count: number, fields: CsvRecord['fields'], shape: CsvShape | null): boolean => {
    if (fields instanceof Flaw || (shape !== null && fields.length !== shape.columns)) return true
    return shape !== null && ahead.first(count).some((line, index) => index > 0 && hidesRow(line, delimiter, shape))
  }

  return {
    async next(shape) {
      let first = await ahead.at(0)
      while (first !== null && withoutReturn(first.bytes).length === 0) {
        ahead.take(1)
        first = await ahead.at(0)
      }
      if (first === null) return null
      if (first.isTooLong) return recordOf(1, TOO_LONG)
      const count = await countLines(first)
      if (count === null) return recordOf(1, flawOf(first, delimiter))
      const fields = readFields(joined(ahead.first(count)), delimiter)
      if (count > 1)
        return isBroken(count, fields, shape) ? recordOf(1, flawOf(first, delimiter)) : recordOf(count, decoded(fields))
      if (!(fields instanceof Flaw) && shape !== null && fields.length !== shape.columns) {
        return recordOf(1, new Flaw('WRONG_COLUMNS', `It has ${fields.length} columns, and the header has ${shape.columns}.`))
      }
      return recordOf(1, decoded(fields))
    },
  }
}

/** The one of the usual delimiters that a header has most of. */
export function guessDelimiter(header: string): string {
  const counts = [',', ';', '\t'].map((delimiter) => ({ delimiter, count: header.split(delimiter).length }))
  return counts.reduce((best, one) => (one.count > best.count ? one : best)).delimiter
}

export const TOO_LONG = new Flaw('TOO_LONG', 'The line is longer than 1 MiB.')
export const NOT_UTF8 = new Flaw('NOT_UTF8', 'It has bytes that are not UTF-8: save the file as UTF-8.')

const broken = (how: string) => new Flaw('BROKEN_QUOTING', `Its quoting is broken: ${how}.`)

const HOW: Readonly<Record<string, string>> = {
  CSV_INVALID_CLOSING_QUOTE: 'something stands behind a closing quote',
  INVALID_OPENING_QUOTE: 'a quote stands within a field that does not begin with one',
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and not closed',
}

/** What is wrong with a line whose quotes are not even. */
function flawOf({ bytes }: Line, delimiter: string): Flaw {
  const alone = readFields(withoutReturn(bytes), delimiter)
  return alone instanceof Flaw ? alone : broken('it cannot be read')
}

/** Whether a line within a quoted field is rather a row, read by itself or cut at every delimiter. */
function hidesRow({ bytes }: Line, delimiter: string, shape: CsvShape): boolean {
  const alone = readFields(withoutReturn(bytes), delimiter)
  if (!(alone instanceof Flaw) && alone.length === shape.columns && shape.isRow(alone)) return true
  const parts = shownText(bytes).replaceAll('"', '').split(delimiter)
  return (parts.length > 1 || shape.columns === 1) && shape.isRow(parts)
}

/** Each byte as one character, so that quotes are understood whatever the encoding is. */
function readFields(record: Buffer, delimiter: string): readonly string[] | Flaw {
  // Without a quote a line is its delimiters and nothing else, and the parser takes many times as long for that.
  if (!record.includes(QUOTE) && !record.includes(LINE_FEED)) return record.toString('latin1').split(delimiter)
  try {
    const records = parse(record, { encoding: 'latin1', delimiter, record_delimiter: ['\r\n', '\n'], relax_column_count: true })
    return records.length === 1 ? (records[0] as string[]) : broken('its lines are no record together')
  } catch (error) {
    return broken(HOW[(error as CsvError).code] ?? 'it cannot be read')
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of bytes; null where they are not UTF-8. */
export function decode(bytes: Buffer): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

function decoded(fields: CsvRecord['fields']): CsvRecord['fields'] {
  if (fields instanceof Flaw) return fields
  const texts: string[] = []
  for (const field of fields) {
    const text = decode(Buffer.from(field, 'latin1'))
    if (text === null) return NOT_UTF8
    texts.push(text)
  }
  return texts
}

const QUOTE = 0x22
const LINE_FEED = Buffer.from('\n')

function joined(lines: readonly Line[]): Buffer {
  const parts = lines.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [LINE_FEED, bytes]))
  return withoutReturn(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
}

function quotesIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(QUOTE); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) count += 1
  return count
}
