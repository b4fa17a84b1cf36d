import { oneLine } from '../channels/one-line.ts'

/** The first line of a text that says something, at most 78 characters of it: a subject, say. */
export function firstLine(text: string, most = 78): string {
  const line = oneLine(text.trimStart().split('\n', 1)[0] ?? '')
  return line.length <= most ? line : `${cutText(line, most - 1)}…`
}

/** What a list shows of a text, in about two lines. */
export const previewOf = (text: string) => firstLine(text, 200)

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The beginning of a text, at most so many UTF-16 units long: cut between graphemes, never inside one. */
export function cutText(text: string, length: number): string {
  return text.length <= length ? text : cutBy(({ length }) => length, text, length)
}

/** How long a text is within JSON, in bytes of UTF-8. */
export const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2

/** The beginning of a text, at most so many bytes long within JSON, with … at its end where something is missing. */
export function cutBytes(text: string, bytes: number): string {
  // No character is shorter than a byte, so what is cut first need not be measured.
  if (text.length <= bytes && jsonBytes(text) <= bytes) return text
  const room = bytes - jsonBytes('…')
  return room < 0 ? '' : `${cutBy(jsonBytes, text, room).trimEnd()}…`
}

function cutBy(measure: (grapheme: string) => number, text: string, most: number): string {
  let left = most
  let end = 0
  for (const { segment } of graphemes.segment(text)) {
    left -= measure(segment)
    if (left < 0) break
    end += segment.length
  }
  return text.slice(0, end)
}
