import { isDeepStrictEqual } from 'node:util'

/** How far something is. */
export interface Progress {
  /** What is done: 'Adding'. */
  readonly label: string
  /** 0 to 1; null where nobody knows how much there is. */
  readonly fraction: number | null
  /** What is counted. */
  readonly count: number
  /** How many there are; null where nobody knows. */
  readonly total: number | null
  /** More to say, such as how many were refused. */
  readonly note: string
}

/** Shows progress: on a terminal as one line that is drawn again, elsewhere as a line now and then. */
export interface Meter {
  /** Begins with something new, which stands there already: nothing before it counts for rate and remaining time. */
  begin(from: Progress): void
  show(progress: Progress): void
  /** A line of its own. */
  say(words: string): void
  /** Shows the last that was told, whole. */
  end(): void
}

/** What it is shown on. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const REDRAW_MS = 100
const LINE_MS = 5000
/** Rate and remaining time are those of so long, so that they follow what goes faster or slower than at first. */
const WINDOW_MS = 20_000
const SAMPLE_MS = 500
const ERASE = '\r\x1b[K'

interface Sample {
  readonly at: number
  readonly progress: Progress
}

/** @param clock milliseconds that never go back */
export function createMeter(screen: Screen, clock: () => number): Meter {
  const isTerminal = screen.isTTY === true
  let samples: Sample[] = []
  let last: Progress | null = null
  let drawn: Progress | null = null
  let drawnAt = 0
  const draw = () => {
    const [from] = samples
    if (from === undefined || last === null) return
    const width = isTerminal ? (screen.columns || 80) - 1 : Number.POSITIVE_INFINITY
    const line = progressLine(from.progress, last, clock() - from.at, width)
    screen.write(isTerminal ? `${ERASE}${line}` : `${line}\n`)
    drawn = last
    drawnAt = clock()
  }
  return {
    begin(progress) {
      samples = [{ at: clock(), progress }]
      last = null
      drawn = null
      drawnAt = clock()
    },
    show(progress) {
      last = progress
      const at = clock()
      if (at - samples.at(-1)!.at >= SAMPLE_MS) samples.push({ at, progress })
      // The first that is kept is as old as the window, or a little older.
      while (samples.length > 1 && at - samples[1]!.at >= WINDOW_MS) samples.shift()
      if (at - drawnAt >= (isTerminal ? REDRAW_MS : LINE_MS)) draw()
    },
    say(words) {
      screen.write(`${isTerminal ? ERASE : ''}  ${printable(words)}\n`)
      if (isTerminal) draw()
    },
    end() {
      if (!isDeepStrictEqual(last, drawn)) draw()
      if (isTerminal && last !== null) screen.write('\n')
      last = null
    },
  }
}

/** What a terminal obeys, and what turns the order of signs round. */
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

/** Words that may be a file's or a server's as one line of text: what is no sign is shown as one. */
export function printable(words: string): string {
  return words.replace(UNPRINTABLE, '\ufffd')
}

/** JSON in several lines, in which such signs are escaped. */
export function printableJson(value: unknown): string {
  const escaped = (sign: string) => (sign === '\n' ? sign : `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return JSON.stringify(value, null, 2).replace(UNPRINTABLE, escaped)
}

const BAR = 24
/** A shorter one tells nothing that the percentage does not. */
const SHORTEST_BAR = 4

/** Of less nobody can tell how long the rest will take. */
const TOLD_AFTER_SECONDS = 2

/**
 * `  Sending  [████████████            ]  50%  25,000 of 50,000  830/s  30 s left  12 failed`
 *
 * @param elapsedMs since `from`; rate and remaining time are those of what came after it
 * @param width in columns: where it is too little, the bar gives way first, then the end of the line
 */
export function progressLine(
  from: Progress,
  { label, fraction, count, total, note }: Progress,
  elapsedMs: number,
  width: number,
): string {
  const seconds = elapsedMs / 1000
  const rate = seconds > 0 ? (count - from.count) / seconds : 0
  const parts = [
    ...(fraction === null ? [] : [`${Math.floor(fraction * 100)}%`.padStart(4)]),
    total === null ? whole(count) : `${whole(count)} of ${whole(total)}`,
    ...(rate >= 0.5 ? [`${whole(rate)}/s`] : []),
    ...remaining(fraction === null ? null : { gained: fraction - (from.fraction ?? 0), left: 1 - fraction }, seconds),
    ...(note === '' ? [] : [note]),
  ]
  const name = `  ${label.padEnd(8)}`
  const said = parts.join('  ')
  // The bar has a bracket and two spaces of its own at either side.
  const size = Math.min(BAR, width - name.length - said.length - 6)
  const shown = fraction === null || size < SHORTEST_BAR ? [name, said] : [name, bar(fraction, size), said]
  return shown.join('  ').slice(0, width)
}

function bar(fraction: number, size: number): string {
  const full = Math.floor(fraction * size)
  return `[${'█'.repeat(full)}${' '.repeat(size - full)}]`
}

function remaining(way: { readonly gained: number; readonly left: number } | null, seconds: number): readonly string[] {
  if (way === null || way.gained <= 0 || way.left <= 0 || seconds < TOLD_AFTER_SECONDS) return []
  return [`${durationText((way.left / way.gained) * seconds)} left`]
}

export function durationText(seconds: number): string {
  const all = Math.ceil(seconds)
  if (all < 60) return `${all} s`
  const minutes = Math.floor(all / 60)
  if (minutes < 60) return `${minutes} min ${String(all % 60).padStart(2, '0')} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

export function whole(count: number): string {
  return Math.round(count).toLocaleString('en')
}
