import { at } from './flow.ts'
import type { Message } from './message.ts'
import { MARKS, NO_FRAME, RenderRefusal } from './template.ts'

const DEEPEST = 60

/** How a value is written into a text, so that it is read there as it is. Null: whoever reads the text reads no markup in it. */
export type Literal = ((value: string) => string) | null

/** By the object that a text stands in, and its name there. */
export type LiteralOf = (holder: Readonly<Record<string, unknown>>, key: string) => Literal

const AS_IT_IS: LiteralOf = () => null

/** JSON whose texts are templates. A text stays a text whatever its values are; names are no templates. */
export function printJson(json: unknown, place: string, message: Message, literalOf = AS_IT_IS): unknown {
  const printText = (source: string, where: string, literal: Literal) =>
    at(where, () => {
      if (literal === null) return message.printer.print(source, NO_FRAME)
      const { text, values } = message.printer.mark(source, NO_FRAME)
      return text.replace(MARKS, (_mark, index) => literal(values[Number(index)]!))
    })
  const printEach = (value: unknown, where: string, literal: Literal, depth: number): unknown => {
    if (depth > DEEPEST) throw new RenderRefusal(`${where}: lies too deep.`)
    if (typeof value === 'string') return printText(value, where, literal)
    if (value === null || typeof value !== 'object') return value
    if (Array.isArray(value)) return value.map((one, index) => printEach(one, `${where}.${index}`, literal, depth + 1))
    const holder = value as Readonly<Record<string, unknown>>
    const entries = Object.entries(holder).filter(([key]) => key !== '__proto__')
    return Object.fromEntries(
      entries.map(([key, one]) => [key, printEach(one, `${where}.${key}`, literalOf(holder, key), depth + 1)]),
    )
  }
  return printEach(json, place, null, 0)
}
