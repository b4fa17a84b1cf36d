import { parse } from 'csv-parse/sync'

/** A file of people to send to, and what is to become of each of its rows. */
export interface People {
  readonly file: Buffer
  /** The addresses that get one message each. */
  readonly valid: readonly string[]
  /** The others: the code that stands in the reject file, by the number of the line. */
  readonly refused: ReadonlyMap<number, string>
}

const HEADER = 'Email,name,timezone,note\r\n'
const LATIN_E = Buffer.from([0xe9])

interface Spoilt {
  readonly code: string
  /** @param to an address that nobody else has; `before`: one that a row before it has */
  row(to: string, before: string): string | Buffer
}

/** All that may be wrong with a row. */
const SPOILT: readonly Spoilt[] = [
  { code: 'NO_ADDRESS', row: () => ',Nobody,,' },
  { code: 'DUPLICATE_USER', row: (_to, before) => `${before},Again,,` },
  { code: 'BROKEN_QUOTING', row: (to) => `${to},"Never closed,,` },
  { code: 'NOT_UTF8', row: (to) => Buffer.concat([Buffer.from(`${to},Ren`), LATIN_E, Buffer.from(',,')]) },
  { code: 'BROKEN_QUOTING', row: (to) => `${to},Closed",,never opened` },
  { code: 'WRONG_COLUMNS', row: (to) => `${to},Too few` },
  { code: 'BAD_USER_INPUT', row: (to) => `${to},In space,Moon/Tranquility,` },
  { code: 'BROKEN_QUOTING', row: (to) => `${to},"Quoted" twice,,` },
  { code: 'BAD_USER_INPUT', row: () => 'no address at all,Somebody,,' },
  { code: 'WRONG_COLUMNS', row: (to) => `${to},Too,,many,` },
]
/** Every so manieth row is wrong. */
const EVERY = 16

/** So many rows, of which each kind of wrong is among the first 200, and what is right is written in every way it may be. */
export function makePeople(count: number): People {
  const parts: Buffer[] = [Buffer.from(`\ufeff${HEADER}`)]
  const valid: string[] = []
  const refused = new Map<number, string>()
  let line = 2
  for (let index = 0; index < count; index += 1) {
    const to = `user${index}@example.com`
    const spoilt = index % EVERY === EVERY - 1 ? SPOILT[Math.floor(index / EVERY) % SPOILT.length]! : null
    const row = spoilt?.row(to, valid.at(-7)!) ?? rightRow(to, index)
    if (spoilt === null) valid.push(to)
    else refused.set(line, spoilt.code)
    parts.push(Buffer.from(row as string), Buffer.from('\r\n'))
    line += spoilt === null ? rightRow(to, index).split('\n').length : 1
  }
  return { file: Buffer.concat(parts), valid, refused }
}

function rightRow(to: string, index: number): string {
  if (index % 5 === 1) return `${to},"Zoë, ""the ${index}th""",Europe/Brussels,"two\nlines"`
  if (index % 5 === 2) return `"${to}","","",""`
  return `${to},Ada ${index},,`
}

export interface RejectedRow {
  readonly line: string
  readonly code: string
  readonly reason: string
  readonly row: string
}

/** The rows of a reject file. */
export function rejectedIn(text: string): readonly RejectedRow[] {
  return parse(text, { columns: true }) as unknown as RejectedRow[]
}
