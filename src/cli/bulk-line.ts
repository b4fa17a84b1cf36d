/** One line of a file as its bytes are. */
export interface Line {
  /** From 1. */
  readonly number: number
  /** Without the line feed; a carriage return before it is still there. Of a line that is too long, its beginning. */
  readonly bytes: Buffer
  /** How many bytes of the file lie before the next line. */
  readonly end: number
  readonly isTooLong: boolean
}

/** Where reading begins: behind so many bytes, which were so many lines. */
export interface Place {
  readonly bytes: number
  readonly lines: number
}

export const START: Place = { bytes: 0, lines: 0 }
/** More than any recipient may have. What is longer is read over, so that a file without line ends needs no memory. */
export const MAX_LINE_BYTES = 1024 * 1024
const SHOWN_BYTES = 1024
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const LINE_FEED = 0x0a

/** The lines of a stream of bytes, of any size. A byte order mark at the start of the file is left out. */
export async function* readLines(input: AsyncIterable<Buffer>, from: Place = START): AsyncGenerator<Line, void, void> {
  const held: Buffer[] = []
  let heldBytes = 0
  let number = from.lines
  const hold = (part: Buffer) => {
    if (heldBytes <= MAX_LINE_BYTES) held.push(part)
    heldBytes += part.length
  }
  const release = (end: number): Line => {
    const whole = held.length === 1 ? held[0]! : Buffer.concat(held)
    const isTooLong = heldBytes > MAX_LINE_BYTES
    held.length = 0
    heldBytes = 0
    number += 1
    const bytes = number === 1 && whole.subarray(0, BOM.length).equals(BOM) ? whole.subarray(BOM.length) : whole
    return { number, bytes: isTooLong ? Buffer.from(bytes.subarray(0, SHOWN_BYTES)) : bytes, end, isTooLong }
  }
  let before = from.bytes
  for await (const chunk of input) {
    let at = 0
    for (let feed = chunk.indexOf(LINE_FEED); feed >= 0; feed = chunk.indexOf(LINE_FEED, at)) {
      hold(chunk.subarray(at, feed))
      at = feed + 1
      yield release(before + at)
    }
    hold(chunk.subarray(at))
    before += chunk.length
  }
  if (heldBytes > 0) yield release(before)
}

/** The text of bytes as it can be shown, whatever they are, without the line's end. */
export function shownText(bytes: Buffer): string {
  return withoutReturn(bytes).toString('utf8')
}

export function withoutReturn(bytes: Buffer): Buffer {
  return bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes
}
