import { LRUCache } from 'lru-cache'
import strftime from 'strftime'
import { RenderRefusal } from '../template.ts'
import { textOf } from '../value.ts'
import { read, type TemplateFunction } from './function.ts'

/** What finding the time of a zone costs, in characters that are only copied. */
const ZONED = 8_000
/** A directive is written out in so many characters at most, for each of its own. */
const WRITTEN_OUT = 16
const DIRECTIVES = 'ABCDFHILMPRSTUWXYZabcdehjklmnoprstuvwxyz%'

/** Dates (reference: courier 7.3, datetime-format). English; the machine's zone and clock change nothing. */
export const DATE: Readonly<Record<string, TemplateFunction>> = {
  /**
   * `{{datetime-format at "%A, %d %B %Y" "Europe/Paris"}}`: an instant (ISO 8601, or milliseconds since 1970) as strftime
   * writes it, in a zone of the IANA database, UTC when none is given. A text without an offset is in that zone already.
   */
  'datetime-format': {
    least: 2,
    most: 3,
    named: ['timezone'],
    call([value, format, zone], named, place) {
      if (value == null || value === '') return ''
      const pattern = textOf(format)
      place.spend(ZONED + WRITTEN_OUT * pattern.length)
      const at = typeof value === 'number' ? value : read(value, place)
      return written(pattern, momentOf(at, read(zone ?? named.get('timezone') ?? 'UTC', place)))
    },
  },
}

/** A moment in a zone. wall: what the clock there shows, as if it were UTC. */
interface Moment {
  readonly instant: number
  readonly wall: Date
  readonly offsetMinutes: number
  /** As English says it in America: EST, UTC; where it has no letters for it, GMT+1. */
  readonly zone: string
}

const DAY = 86_400_000
const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

function momentOf(value: string | number, zone: string): Moment {
  if (typeof value === 'number' || /^-?\d{9,15}$/.test(value)) return inZone(Number(value), zone)
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', offset] = ISO.exec(value) ?? []
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  const isReal = new Date(wall).getUTCDate() === Number(day) && Number(month) <= 12 && Number(hour) < 24 && Number(minute) < 60
  if (year === undefined || !isReal || Number(second) > 59) throw noDate()
  const exact = wall + Math.floor(Number(`0.${fraction}`) * 1_000)
  if (offset !== undefined) return inZone(exact - offsetOf(offset), zone)
  const guess = inZone(exact, zone)
  return inZone(exact - inZone(exact - guess.offsetMinutes * 60_000, zone).offsetMinutes * 60_000, zone)
}

function offsetOf(text: string): number {
  if (/z/i.test(text)) return 0
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(3).replace(':', '') || 0)
  return (text.startsWith('-') ? -1 : 1) * minutes * 60_000
}

const noDate = () =>
  new RenderRefusal(
    "'datetime-format' was given what is no date: it takes 2026-01-31, 2026-01-31T09:30:00Z or milliseconds since 1970.",
  )

const zones = new LRUCache<string, Intl.DateTimeFormat>({ max: 100 })

function inZone(instant: number, zone: string): Moment {
  const known = formatterOf(zone)
  // Of years 1 to 9999 alone.
  if (!(instant > -62_135_500_000_000 && instant < 253_402_200_000_000)) throw noDate()
  const parts = new Map(known.formatToParts(instant).map(({ type, value }) => [type, value]))
  const [year, month, day, hour, minute, second] = (['year', 'month', 'day', 'hour', 'minute', 'second'] as const).map((part) =>
    Number(parts.get(part)),
  )
  const wall = new Date(0)
  wall.setUTCFullYear(year!, month! - 1, day!)
  wall.setUTCHours(hour!, minute!, second!)
  const offsetMinutes = Math.round((wall.getTime() - Math.floor(instant / 1_000) * 1_000) / 60_000)
  return { instant, wall, offsetMinutes, zone: parts.get('timeZoneName') ?? zone }
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = zones.get(zone.toLowerCase())
  if (known) return known
  try {
    if (!/^[A-Za-z][\w+/-]{0,63}$/.test(zone)) throw new RangeError('no name')
    const fresh = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: zone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23', timeZoneName: 'short' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
    zones.set(zone.toLowerCase(), fresh)
    return fresh
  } catch {
    throw new RenderRefusal(`'${zone.slice(0, 40)}' is not a time zone: they are named like Europe/Paris.`)
  }
}

/** The library warns of what it does not know, has day 0 of the year, and takes names of zones from the machine: those are ours. */
function written(pattern: string, moment: Moment): string {
  const ours = pattern.replace(/%([-_0:]*)(.?)/gsu, (all, flags: string, directive: string) => {
    if (directive === '' || !DIRECTIVES.includes(directive) || flags.length > 1) {
      throw new RenderRefusal(`'datetime-format' cannot read '${all}': strftime's directives are %d, %B, %Y, %H, %M and so on.`)
    }
    if (directive === 'Z') return moment.zone
    if (directive === 'j')
      return flags === '-' ? String(dayOfYear(moment)) : String(dayOfYear(moment)).padStart(3, flags === '_' ? ' ' : '0')
    if (directive === 'c') return `%a %d %b %Y %r ${moment.zone}`
    return all
  })
  return strftime(ours, asDate(moment))
}

const dayOfYear = ({ wall }: Moment) => Math.floor((wall.getTime() - Date.UTC(wall.getUTCFullYear(), 0, 1)) / DAY) + 1

/** A Date as it would answer on a machine that is in that zone. */
function asDate({ instant, wall, offsetMinutes }: Moment): Date {
  const date = {
    getTime: () => instant,
    getFullYear: () => wall.getUTCFullYear(),
    getMonth: () => wall.getUTCMonth(),
    getDate: () => wall.getUTCDate(),
    getDay: () => wall.getUTCDay(),
    getHours: () => wall.getUTCHours(),
    getMinutes: () => wall.getUTCMinutes(),
    getSeconds: () => wall.getUTCSeconds(),
    getTimezoneOffset: () => -offsetMinutes,
  }
  return date as unknown as Date
}
