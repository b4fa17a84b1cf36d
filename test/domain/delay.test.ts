import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkDelay, type Delay, type DelayInput, type Release, releaseOf, timezoneOf } from '../../src/domain/delay.ts'
import { Refusal } from '../../src/errors.ts'

const NOW = new Date('2026-06-03T18:30:00Z') // a Wednesday

function release(input: DelayInput, now: string | Date = NOW, timezone = 'UTC'): Release {
  const delay = checkDelay(input, ['delay'], new Date(now))
  return releaseOf(delay, { enqueuedAt: NOW, now: new Date(now), timezone })
}

function at(input: DelayInput, now?: string | Date, timezone?: string): string {
  const found = release(input, now, timezone)
  return 'at' in found ? found.at.toISOString() : found.never
}

describe('A delay', () => {
  test('by duration counts from when the message was accepted, however late that is looked at', () => {
    expect(at({ duration: 'PT15M' })).toBe('2026-06-03T18:45:00.000Z')
    expect(at({ duration: 'PT15M' }, '2026-06-03T18:40:00Z')).toBe('2026-06-03T18:45:00.000Z')
    expect(at({ duration: 'PT15M' }, '2026-06-03T19:00:00Z')).toBe('2026-06-03T19:00:00.000Z')
    expect(release({ duration: 'P1DT90S' })).toMatchObject({ because: 'it was to wait for PT24H1M30S after it was accepted' })
  })

  test('until an instant that has passed means now', () => {
    expect(at({ until: '2026-06-03T21:00:00+02:00' })).toBe('2026-06-03T19:00:00.000Z')
    expect(at({ until: new Date('2020-01-01T00:00:00Z') })).toBe(NOW.toISOString())
  })

  test.each([
    ['Mo-Fr 09:00-17:00', 'Europe/Brussels', '2026-06-04T07:00:00.000Z'],
    ['Mo-Fr 09:00-17:00', 'America/New_York', NOW.toISOString()],
    ['Mo-Fr 09:00-17:00', '+02:00', '2026-06-04T07:00:00.000Z'],
    ['Th-Sa 09:00-12:00,13:00-17:00; Th off', 'UTC', '2026-06-05T09:00:00.000Z'],
    ['Tu-We 22:00-02:00', 'Asia/Kolkata', NOW.toISOString()],
    ['Jul-Sep 08:00-10:00', 'UTC', '2026-07-01T08:00:00.000Z'],
    ['Aug 15', 'UTC', '2026-08-15T00:00:00.000Z'],
    ['2026 Jun 5-2026 Jun 6 10:00-11:00', 'UTC', '2026-06-05T10:00:00.000Z'],
    ['Mo[-1] 09:00-10:00', 'UTC', '2026-06-29T09:00:00.000Z'],
    ['week 25 Tu 09:00-10:00', 'UTC', '2026-06-16T09:00:00.000Z'],
    ['24/7', 'UTC', NOW.toISOString()],
  ])('by the window %s in %s is let go at %s', (window, timezone, expected) => {
    expect(at({ window }, NOW, timezone)).toBe(expected)
  })

  test('by a window is let go from its first moment until just before its last', () => {
    const window = 'We 18:30-18:31'
    expect(at({ window }, '2026-06-03T18:29:59.999Z')).toBe('2026-06-03T18:30:00.000Z')
    expect(at({ window }, '2026-06-03T18:30:59.999Z')).toBe('2026-06-03T18:30:59.999Z')
    expect(at({ window }, '2026-06-03T18:31:00Z')).toBe('2026-06-10T18:30:00.000Z')
    expect(release({ window })).toMatchObject({ because: "the window 'We 18:30-18:31' (UTC) is open" })
  })

  test.each(['Dec 24', '2020 09:00-17:00', 'off', 'Feb 29', 'Mo-Fr 09:00-17:00; 2026 off'])(
    'by a window that does not open within 90 days, %s, is never let go',
    (window) => expect(at({ window })).toBe(`the window '${window}' (UTC) does not open within 90 days`),
  )

  test.each([
    ['a gap', 'Su 02:15-02:45', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['a window that goes on after the gap', 'Su 02:15-05:00', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['after the gap', 'Su 03:00-04:00', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['an hour that comes twice: the first', 'Su 02:15-02:45', '2026-10-24T23:00:00Z', '2026-10-25T00:15:00.000Z'],
    ['again, for who missed the first', 'Su 02:15-02:45', '2026-10-25T00:50:00Z', '2026-10-25T01:15:00.000Z'],
    ['after both', 'Su 03:00-04:00', '2026-10-25T00:50:00Z', '2026-10-25T02:00:00.000Z'],
  ])('in Berlin, on a day when the clocks change: %s', (_name, window, now, expected) => {
    expect(at({ window }, now, 'Europe/Berlin')).toBe(expected)
  })

  test('means the same whatever time zone the process runs in', () => {
    const asked = `
      const { releaseOf } = await import(${JSON.stringify(new URL('../../src/domain/delay.ts', import.meta.url).href)})
      const found = []
      for (const hours of ['Su 02:15-02:45', 'Mo-Fr 09:00-17:00', 'Mar 8 00:30-04:00', '23:30-00:30', 'Oct 4,Nov 1 01:30-02:30'])
        for (let day = 0; day < 270; day += 9) {
          const now = new Date(Date.UTC(2026, 2, 6) + day * 86400000)
          found.push(releaseOf({ kind: 'window', hours }, { enqueuedAt: now, now, timezone: 'Australia/Sydney' }))
        }
      console.log(JSON.stringify(found))`
    const [inUtc, inNewYork, inBerlin] = ['UTC', 'America/New_York', 'Europe/Berlin'].map((TZ) => {
      const env = { ...process.env, TZ }
      return execFileSync(process.execPath, ['--input-type=module', '--eval', asked], { env, encoding: 'utf8' })
    })
    expect(JSON.parse(inUtc!)).toHaveLength(150)
    expect(inNewYork).toBe(inUtc)
    expect(inBerlin).toBe(inUtc)
  })
})

describe('The time zone of a delay', () => {
  const window: Delay = { kind: 'window', hours: '24/7' }

  test("is its own, then the recipient's, then the profile's zoneinfo, then its timezone, then UTC", () => {
    const to = { timezone: 'Asia/Tokyo' }
    const profile = { zoneinfo: 'Europe/Rome', timezone: 'America/Lima' }
    expect(timezoneOf({ ...window, timezone: 'Europe/Brussels' }, to, profile)).toBe('Europe/Brussels')
    expect(timezoneOf(window, to, profile)).toBe('Asia/Tokyo')
    expect(timezoneOf(window, {}, profile)).toBe('Europe/Rome')
    expect(timezoneOf(window, {}, { timezone: 'America/Lima' })).toBe('America/Lima')
    expect(timezoneOf(window, {}, {})).toBe('UTC')
  })

  test('may be an offset, and what is no time zone is passed over', () => {
    expect(timezoneOf({ ...window, timezone: 'UTC+2' }, {}, {})).toBe('+02:00')
    expect(timezoneOf(window, { timezone: null }, { zoneinfo: 'Mars/Olympus', timezone: 'UTC-9:30' })).toBe('-09:30')
    expect(timezoneOf(window, {}, { zoneinfo: 7, timezone: ['UTC'] })).toBe('UTC')
  })
})

describe('What a send says of its delay', () => {
  const refusal = (input: DelayInput) => {
    try {
      return checkDelay(input, ['input', 'delay'], NOW)
    } catch (error) {
      if (error instanceof Refusal) return error.issues
      throw error
    }
  }

  test('is kept as milliseconds, an instant in UTC, or the window', () => {
    expect(refusal({ duration: 'P90D' })).toEqual({ kind: 'duration', ms: 90 * 86_400_000 })
    expect(refusal({ until: '2026-06-04T09:00:00+02:00' })).toEqual({ kind: 'until', at: '2026-06-04T07:00:00.000Z' })
    expect(refusal({ window: ' Mo-Fr 09:00-17:00 ', timezone: 'UTC+2' })).toEqual({
      kind: 'window',
      hours: 'Mo-Fr 09:00-17:00',
      timezone: 'UTC+2',
    })
  })

  const hours = 'must be opening hours, like Mo-Fr 09:00-17:00 or Mo-Sa 08:00-12:00,13:00-18:00; Dec 24 off'
  const place = "'window' cannot follow holidays or the sun: nobody knows for which place."
  test.each<[DelayInput, string, string?]>([
    [{}, "'delay' must hold exactly one of 'duration', 'until' and 'window'.", ''],
    [{ duration: 'PT1M', window: '24/7' }, "'delay' must hold exactly one of 'duration', 'until' and 'window'.", ''],
    [{ duration: 'PT0S' }, "'duration' must be more than nothing and at most 90 days."],
    [{ duration: '-PT1M' }, "'duration' must be more than nothing and at most 90 days."],
    [{ duration: 'P90DT1S' }, "'duration' must be more than nothing and at most 90 days."],
    [{ until: '2027-07-01T00:00:00Z' }, "'until' must be an instant, like 2026-06-01T09:00:00Z, at most a year ahead."],
    [{ until: 'soon' }, "'until' must be an instant, like 2026-06-01T09:00:00Z, at most a year ahead."],
    [
      { until: '2026-06-05T00:00:00Z', timezone: 'UTC' },
      "'timezone' goes with 'window': a duration and an instant are the same everywhere.",
      'timezone',
    ],
    [{ window: '24/7', timezone: 'Mars/Olympus' }, "'timezone' must be a time zone, like Europe/Brussels or UTC+2.", 'timezone'],
    [{ window: '' }, `'window' ${hours}.`],
    [{ window: 'weekdays' }, `'window' ${hours}.`],
    [{ window: 'Mo-Fr 09:00' }, `'window' ${hours}; it is understood as far as 'Mo-Fr 09:00'.`],
    [{ window: 'Mo-Fr 09:00-17:00; Feb 30 off' }, `'window' ${hours}; it is understood as far as 'Mo-Fr 09:00-17:00; Feb 30'.`],
    [{ window: 'Mo-Fr 09:00+' }, `'window' ${hours}.`],
    [{ window: 'Mo-Fr 09:00-17:00 "by appointment"' }, `'window' ${hours}.`],
    [{ window: 'Mo-Fr 09:00-17:00; PH off' }, place],
    [{ window: 'SH 10:00-12:00' }, place],
    [{ window: '(sunrise+01:00)-sunset' }, place],
    [{ window: `${'Mo,'.repeat(70)}Tu` }, "'window' must be at most 200 characters."],
  ])('is refused where it is %o', (input, message, field = Object.keys(input)[0]) => {
    const path = ['input', 'delay', ...(field ? [field] : [])]
    expect(refusal(input)).toMatchObject([{ path, message: expect.stringContaining(message) }])
  })

  const words = 'Mo Tu Su Jan Feb Dec week off open 24/7 : ; , / [ ] - 1 5 31 2026 09:00-17:00 22:00-26:00 00:00 PH + "'.split(
    ' ',
  )
  test('is either refused or can be followed, whatever a window says', () => {
    const anything = fc.oneof(
      fc.string({ maxLength: 220 }),
      fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((some) => some.join(' ')),
    )
    const moment = fc.date({ min: new Date('2026-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(anything, moment, (window, now) => {
        const delay = refusal({ window })
        if (delay && 'kind' in delay) releaseOf(delay, { enqueuedAt: now, now, timezone: 'Europe/Berlin' })
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('Against a clock that is read minute by minute', () => {
  const MINUTE = 60_000
  const DAYS = ['Su', 'Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa']
  /** A day on which the clocks change, or none; gaps of an hour, of half an hour, and at midnight among them. */
  const changes = [
    ['Europe/Berlin', '2026-03-29'],
    ['Europe/Berlin', '2026-10-25'],
    ['America/New_York', '2026-03-08'],
    ['America/New_York', '2026-11-01'],
    ['Australia/Lord_Howe', '2026-04-05'],
    ['Australia/Lord_Howe', '2026-10-04'],
    ['America/Santiago', '2026-04-05'],
    ['America/Santiago', '2026-09-06'],
    ['Asia/Kolkata', '2026-03-29'],
    ['+05:45', '2026-06-01'],
  ] as const

  interface Hours {
    readonly days: readonly number[]
    readonly from: number
    readonly length: number
  }

  const clock = (minutes: number) =>
    [Math.floor(minutes / 60) % 24, minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')
  const textOf = ({ days, from, length }: Hours) =>
    `${days.map((day) => DAYS[day]).join(',')} ${clock(from)}-${clock(from + length)}`

  /** Of a wall-clock time, in minutes since 1970 as if it were UTC. */
  function isOpen({ days, from, length }: Hours, wall: number): boolean {
    const minute = wall % 1_440
    const day = new Date(wall * MINUTE).getUTCDay()
    const sinceFrom = minute - from
    if (days.includes(day) && sinceFrom >= 0 && sinceFrom < length) return true
    return days.includes((day + 6) % 7) && minute + 1_440 - from < length
  }

  const readings = new Map(changes.map(([timezone, day]) => [`${timezone} ${day}`, readClock(timezone, day)] as const))

  /** What a clock on the wall shows at each minute from two days before to nine after. */
  function readClock(timezone: string, day: string) {
    const start = Date.parse(`${day}T00:00:00Z`) - 2 * 1_440 * MINUTE
    const format = new Intl.DateTimeFormat('sv', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' })
    const walls = Array.from(
      { length: 11 * 1_440 },
      (_, minute) => Date.parse(`${format.format(start + minute * MINUTE).replace(' ', 'T')}:00Z`) / MINUTE,
    )
    return { start, walls }
  }

  function firstOpen(hours: Hours, { start, walls }: ReturnType<typeof readClock>, now: number): number {
    const current = Math.floor((now - start) / MINUTE)
    if (isOpen(hours, walls[current]!)) return now
    for (let minute = now === start + current * MINUTE ? current : current + 1; minute < walls.length; minute++) {
      for (let wall = Math.min(walls[minute]!, walls[minute - 1]! + 1); wall <= walls[minute]!; wall++) {
        if (isOpen(hours, wall)) return start + minute * MINUTE
      }
    }
    throw new Error('The clock was not read for long enough.')
  }

  const somewhere = fc.constantFrom(...changes)
  const someHours = fc.record({
    days: fc.uniqueArray(fc.nat({ max: 6 }), { minLength: 1 }),
    from: fc.oneof(
      fc.nat({ max: 1_439 }),
      fc.integer({ min: 0, max: 16 }).map((quarter) => quarter * 15),
    ),
    length: fc.oneof(fc.integer({ min: 1, max: 1_439 }), fc.integer({ min: 1, max: 59 })),
  })

  test('a window is let go at its first open moment, never earlier than now, and at that moment still', () => {
    fc.assert(
      fc.property(
        somewhere,
        someHours,
        fc.integer({ min: -1_440 * MINUTE, max: 1_440 * 2 * MINUTE }),
        fc.boolean(),
        (place, hours, offset, whole) => {
          const [timezone, day] = place
          const exact = Date.parse(`${day}T00:00:00Z`) + offset
          const now = whole ? exact - (exact % MINUTE) : exact
          const asked = (from: number) => release({ window: textOf(hours) }, new Date(from), timezone) as { readonly at: Date }
          const found = asked(now).at.getTime()
          expect(found).toBe(firstOpen(hours, readings.get(`${timezone} ${day}`)!, now))
          expect(found).toBeGreaterThanOrEqual(now)
          expect(asked(found).at.getTime()).toBe(found)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
