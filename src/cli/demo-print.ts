import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** How the demo writes: lines, headings, and a name before what is about it. Colours where the stream takes them (NO_COLOR is heeded). */
export interface Print {
  paint(style: Style, text: string): string
  line(text?: string): void
  heading(text: string, note?: string): void
  /** A name in its column. over: the channel whose hue it has; absent: the one of that name. */
  name(text: string, over?: string): string
}

const HUES: Readonly<Record<string, Style>> = { email: 'cyan', inbox: 'magenta', webhook: 'yellow', push: 'blue' }

export function createPrint(stream: NodeJS.WriteStream): Print {
  const paint = (style: Style, text: string) => styleText(style, text, { stream })
  const line = (text = '') => void stream.write(`${text}\n`)
  return {
    paint,
    line,
    heading: (text, note = '') => line(`\n  ${paint('bold', text)}  ${paint('dim', note)}`.trimEnd()),
    name: (text, over = text) => paint(HUES[over] ?? 'white', text.padEnd(8)),
  }
}

export function milliseconds(value: number): string {
  return `${Math.round(value).toString().padStart(6)} ms`
}

/** For an event's type, a message's or delivery's status, an attempt's outcome, or an account's health. */
export function styleOf(type: string): Style {
  if (/^(SENT|ACCEPTED|OK)$/.test(type)) return 'green'
  if (/^(RETRY|FAILED_OVER)/.test(type)) return 'yellow'
  return /^UN|FAIL|CANCELED|THROTTLED|FILTERED|REJECTED|MISCONFIGURED/.test(type) ? 'red' : 'white'
}
