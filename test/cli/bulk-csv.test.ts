import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CsvRecord, createCsvReader } from '../../src/cli/bulk-csv.ts'
import { Flaw } from '../../src/cli/bulk-flaw.ts'
import { MAX_LINE_BYTES, readLines, START } from '../../src/cli/bulk-line.ts'
import { scaled } from '../support/scale.ts'

/** Three columns, of which the first is an address. */
const SHAPE = { columns: 3, isRow: ([address = '']: readonly string[]) => /^[^\s@",]+@[^\s@",]+\.\w+$/.test(address) }

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** All records of a file that comes in chunks of so many bytes. */
async function recordsOf(file: string | Buffer, chunk = 7): Promise<readonly CsvRecord[]> {
  const reader = createCsvReader(readLines(inChunks(Buffer.from(file as string), chunk), START), ',')
  const records: CsvRecord[] = []
  for (let record = await reader.next(SHAPE); record !== null; record = await reader.next(SHAPE)) records.push(record)
  return records
}

/** What became of each: its fields, or the code of its flaw. */
const shown = (records: readonly CsvRecord[]) =>
  records.map(({ line, fields }) => [line, fields instanceof Flaw ? fields.code : fields])

describe('A CSV file', () => {
  test.each<[string, string | Buffer, unknown[]]>([
    [
      'has lines that end with LF',
      'a@b.c,1,2\nd@e.f,3,4\n',
      [
        [1, ['a@b.c', '1', '2']],
        [2, ['d@e.f', '3', '4']],
      ],
    ],
    [
      'has lines that end with CRLF',
      'a@b.c,1,2\r\nd@e.f,3,4\r\n',
      [
        [1, ['a@b.c', '1', '2']],
        [2, ['d@e.f', '3', '4']],
      ],
    ],
    ['needs no end of its last line', 'a@b.c,1,2', [[1, ['a@b.c', '1', '2']]]],
    ['may begin with a byte order mark', '\ufeffa@b.c,1,2\n', [[1, ['a@b.c', '1', '2']]]],
    [
      'may have empty lines, which count as lines',
      'a@b.c,1,2\n\n\r\nd@e.f,3,4\n',
      [
        [1, ['a@b.c', '1', '2']],
        [4, ['d@e.f', '3', '4']],
      ],
    ],
    [
      'may have delimiters, quotes and line ends within quotes',
      '"a@b.c","x, ""y""","line\none"\nd@e.f,3,4\n',
      [
        [1, ['a@b.c', 'x, "y"', 'line\none']],
        [3, ['d@e.f', '3', '4']],
      ],
    ],
    [
      'loses a row whose quote is never closed, and no other',
      'a@b.c,"1,2\nd@e.f,3,4\n',
      [
        [1, 'BROKEN_QUOTING'],
        [2, ['d@e.f', '3', '4']],
      ],
    ],
    [
      'loses no row between two such',
      'a@b.c,"1,2\nd@e.f,3,4\ng@h.i,"5,6\nj@k.l,7,8',
      [
        [1, 'BROKEN_QUOTING'],
        [2, ['d@e.f', '3', '4']],
        [3, 'BROKEN_QUOTING'],
        [4, ['j@k.l', '7', '8']],
      ],
    ],
    [
      'loses no row between a quote that only opens and one that only closes',
      'a@b.c,1,"2\nd@e.f,3,4\ng@h.i,5,6"\n',
      [
        [1, 'BROKEN_QUOTING'],
        [2, ['d@e.f', '3', '4']],
        [3, 'BROKEN_QUOTING'],
      ],
    ],
    [
      'loses a row with text behind a closing quote',
      'a@b.c,"1"x,2\nd@e.f,3,4',
      [
        [1, 'BROKEN_QUOTING'],
        [2, ['d@e.f', '3', '4']],
      ],
    ],
    [
      'loses a row with a quote in the middle of a field',
      'a@b.c,5" wide,2\nd@e.f,"3",4',
      [
        [1, 'BROKEN_QUOTING'],
        [2, ['d@e.f', '3', '4']],
      ],
    ],
    [
      'loses a row with too few columns, or too many',
      'a@b.c,1\nd@e.f,3,4\ng,h,i,j',
      [
        [1, 'WRONG_COLUMNS'],
        [2, ['d@e.f', '3', '4']],
        [3, 'WRONG_COLUMNS'],
      ],
    ],
    [
      'loses a row that is not UTF-8',
      Buffer.concat([Buffer.from('a@b.c,'), Buffer.from([0xe9]), Buffer.from(',2\nd@e.f,é,4')]),
      [
        [1, 'NOT_UTF8'],
        [2, ['d@e.f', 'é', '4']],
      ],
    ],
  ])('%s', async (_what, file, records) => {
    expect(shown(await recordsOf(file))).toEqual(records)
  })

  test('may have a line that is longer than memory should hold, which is refused and shown by its beginning', async () => {
    const records = await recordsOf(`a@b.c,1,${'x'.repeat(2 * MAX_LINE_BYTES)}\nd@e.f,3,4`, 65_536)
    expect(shown(records)).toEqual([
      [1, 'TOO_LONG'],
      [2, ['d@e.f', '3', '4']],
    ])
    expect(records[0]!.raw.length).toBeLessThan(2000)
  })

  test('says of each record where it begins and what it was', async () => {
    const records = await recordsOf('a@b.c,"1\n2",3\r\nd@e.f,"4,5\r\n')
    expect(records.map(({ line, lines, end, raw }) => ({ line, lines, end, raw }))).toEqual([
      { line: 1, lines: 2, end: 15, raw: 'a@b.c,"1\n2",3' },
      { line: 3, lines: 1, end: 27, raw: 'd@e.f,"4,5' },
    ])
  })
})

const text = fc.string({ unit: fc.constantFrom('x', 'é', ' ', ',', '"', '\n', '1', '@'), maxLength: 8 })
const address = fc.nat().map((number) => `user${number}@example.com`)

const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`
const written = (field: string) => (/[",\n]/.test(field) ? quoted(field) : field)

/** A row as any program writes it. */
const right = fc.tuple(address, text, text, fc.boolean()).map(([to, one, other, isQuoted]) => ({
  fields: [to, one, other],
  raw: [to, one, other].map(isQuoted ? quoted : written).join(','),
}))

/** Rows that programs should not write, of one line each. */
const wrong = fc
  .tuple(
    address,
    fc.constantFrom(
      (to: string) => `${to},"open,2`,
      (to: string) => `${to},1,"open`,
      (to: string) => `${to},1,close"`,
      (to: string) => `${to},"1"x,2`,
      (to: string) => `${to},5" wide,2`,
      (to: string) => `${to},1`,
      (to: string) => `"${to},1,2`,
      (to: string) => `${to},"a","b","c"`,
      (to: string) => `,,,${to}`,
    ),
  )
  .map(([to, spoil]) => ({ fields: null, raw: spoil(to) }))

const rows = fc.array(fc.oneof({ weight: 3, arbitrary: right }, { weight: 1, arbitrary: wrong }), { maxLength: 30 })

test('A row that is right comes out once and as it was, whatever surrounds it, and every other line is refused', async () => {
  await fc.assert(
    fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), fc.integer({ min: 1, max: 200 }), async (given, end, chunk) => {
      const records = await recordsOf(given.map(({ raw }) => raw + end).join(''), chunk)
      const found = records.filter(({ fields }) => !(fields instanceof Flaw)).map(({ fields }) => fields)
      expect(found).toEqual(given.flatMap(({ fields }) => (fields === null ? [] : [fields])))
      expect(records.length).toBe(given.length)
    }),
    { numRuns: scaled(300, 20_000) },
  )
})

test('Any bytes are read to their end, and each of their lines stands in one record, or is empty', async () => {
  const piece = fc.oneof(
    fc.constantFrom('"', ',', '\n', '\r\n', 'a@b.c', '""', 'é').map((one) => Buffer.from(one)),
    fc.uint8Array({ maxLength: 3 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => {
      const file = Buffer.concat(pieces)
      const records = await recordsOf(file)
      const lines = records.flatMap(({ line, lines }) => Array.from({ length: lines }, (_, index) => line + index))
      expect(new Set(lines).size).toBe(lines.length)
      const full = file
        .toString('latin1')
        .replace(/^\xef\xbb\xbf/, '')
        .split('\n')
        .flatMap((one, index) => (one === '' || one === '\r' ? [] : [index + 1]))
      expect(lines).toEqual(expect.arrayContaining(full))
    }),
    { numRuns: scaled(300, 20_000) },
  )
})

test('A line without a quote is what a parser of CSV makes of it, whatever its delimiter', async () => {
  const field = fc.string({ unit: fc.constantFrom('x', ' ', '\r', '\t', ';', ',', '\0', '#', '\\', "'", '|'), maxLength: 6 })
  const line = fc.array(field, { minLength: 1, maxLength: 5 }).map((fields) => fields.join(','))
  await fc.assert(
    fc.asyncProperty(line, fc.constantFrom(',', ';', '\t', ' ', '|', 'x'), async (given, delimiter) => {
      fc.pre(given.replace(/\r$/, '') !== '')
      const reader = createCsvReader(readLines(inChunks(Buffer.from(`${given}\n`), 50), START), delimiter)
      const records = parse(`${given.replace(/\r$/, '')}`, { delimiter, record_delimiter: ['\r\n', '\n'] })
      expect((await reader.next(null))!.fields).toEqual(records[0])
    }),
    { numRuns: scaled(500, 20_000) },
  )
})

test('A quote that is never closed costs little more than its line, however short the lines behind it are, and stops no timer', async () => {
  const shape = { columns: 1, isRow: () => false }
  const read = async (lines: readonly string[]) => {
    const reader = createCsvReader(readLines(inChunks(Buffer.from(lines.join('\n')), 65_536), START), ',')
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    const before = process.cpuUsage()
    let count = 0
    while ((await reader.next(shape)) !== null) count += 1
    clearInterval(timer)
    const { user, system } = process.cpuUsage(before)
    return { count, turns, cpuMs: (user + system) / 1000 }
  }
  const plain = Array.from({ length: 150_000 }, (_, index) => `u${index}`)
  const even = await read(plain)
  const odd = await read(plain.map((line, index) => (index === 5 ? `"${line}` : line)))
  expect([even.count, odd.count]).toEqual([plain.length, plain.length])
  expect(odd.cpuMs).toBeLessThan(even.cpuMs * 3 + 500)
  expect(odd.turns).toBeGreaterThan(20)
}, 60_000)
