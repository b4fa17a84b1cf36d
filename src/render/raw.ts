import { at } from './flow.ts'
import type { Message } from './message.ts'
import { type Marked, NO_FRAME, RenderRefusal } from './template.ts'

const DEEPEST = 60

/** Where a text stands: in which object, by which name, and by which name that object stands in its own. */
export interface Field {
  readonly holder: Readonly<Record<string, unknown>>
  readonly key: string
  readonly within: string
}

/**
 * Puts values into a text so that they are no more than text there; undefined leaves the field out.
 *
 * @throws RenderRefusal for a text that cannot stand there, without its place
 */
export type Writer = (text: Marked) => string | undefined

/** What reads the JSON, and how texts are written for it. */
export interface Dialect {
  /** Null where no markup is read. */
  writerOf(field: Field): Writer | null
  /** What an object has beside what its author wrote. */
  added(holder: Field['holder']): object
}

const PLAIN: Dialect = { writerOf: () => null, added: () => ({}) }

/** JSON whose texts are templates. A text stays a text whatever its values are; names are no templates. */
export function printJson(json: unknown, place: string, message: Message, dialect = PLAIN): unknown {
  const { printer } = message
  const printText = (source: string, where: string, write: Writer | null) =>
    at(where, () => (write === null ? printer.print(source, NO_FRAME) : write(printer.mark(source, NO_FRAME))))
  const printEach = (value: unknown, where: string, within: string, write: Writer | null, depth: number): unknown => {
    if (depth > DEEPEST) throw new RenderRefusal(`${where}: lies too deep.`)
    if (typeof value === 'string') return printText(value, where, write)
    if (value === null || typeof value !== 'object') return value
    if (Array.isArray(value)) {
      return value.map((one, index) => printEach(one, `${where}.${index}`, within, write, depth + 1))
    }
    const holder = value as Field['holder']
    const entries = Object.entries(holder).filter(([key]) => key !== '__proto__')
    const printed = entries.map(([key, one]) => {
      const writer = dialect.writerOf({ holder, key, within })
      return [key, printEach(one, `${where}.${key}`, key, writer, depth + 1)] as const
    })
    return { ...Object.fromEntries(printed.filter(([, one]) => one !== undefined)), ...dialect.added(holder) }
  }
  return printEach(json, place, '', null, 0)
}
