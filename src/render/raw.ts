import { at } from './flow.ts'
import type { Message } from './message.ts'
import { NO_FRAME, RenderRefusal } from './template.ts'

const DEEPEST = 60

/** JSON whose texts are templates. A text stays a text whatever its values are; names are no templates. */
export function printJson(json: unknown, place: string, message: Message, depth = 0): unknown {
  if (depth > DEEPEST) throw new RenderRefusal(`${place}: lies too deep.`)
  if (typeof json === 'string') return at(place, () => message.printer.print(json, NO_FRAME))
  if (json === null || typeof json !== 'object') return json
  if (Array.isArray(json)) return json.map((one, index) => printJson(one, `${place}.${index}`, message, depth + 1))
  const entries = Object.entries(json).filter(([key]) => key !== '__proto__')
  return Object.fromEntries(entries.map(([key, one]) => [key, printJson(one, `${place}.${key}`, message, depth + 1)]))
}
