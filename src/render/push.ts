import type { Rendered } from '../channels/provider.ts'
import { type Manner, plainText } from './block.ts'
import type { Json } from './job.ts'
import { cutBytes, firstLine, jsonBytes } from './line.ts'
import type { Message } from './message.ts'
import { RenderRefusal } from './template.ts'

/** What is shown by a device cannot be pressed but as a whole, so it tells no addresses. */
const MANNER: Manner = { bullet: '•', divider: '', links: false, images: false, actions: false }

/**
 * What title, text and data may take together, in bytes of JSON: the 3,993 that are left of the 4,096 of a web push once it
 * is encrypted (RFC 8291), less what its provider adds: names, the message's id, an icon and where a tap leads.
 */
const ROOM = 3_400
/** No device shows as much of one. */
const LONGEST_TITLE = 500

/**
 * A push message: the title, or the first line where there is none; the text as far as there is room. payload: the data, and
 * where the app tells what became of it.
 *
 * @throws RenderRefusal for data that leaves no room
 */
export function renderPush({ job, title, blocks }: Message): Rendered {
  const payload = dataOf(job.values.data, job.tracking.pushUrl)
  const room = ROOM - sizeOf(payload)
  if (room < 0) {
    throw new RenderRefusal(
      `The data of a push message takes at most ${ROOM.toLocaleString('en')} bytes, with its title and text.`,
    )
  }
  const body = plainText(blocks, MANNER)
  const [head, rest] = title === '' ? headOf(body) : [title, body]
  const shown = cutBytes(head, Math.min(LONGEST_TITLE, room))
  return { title: shown, text: cutBytes(rest, room - jsonBytes(shown)), payload }
}

/** A device shows no message without a title: the first line is it then, and is not said twice where all of it stands there. */
function headOf(body: string): readonly [title: string, text: string] {
  const said = body.trim()
  const [first] = said.split('\n', 1)
  const head = firstLine(said)
  return [head, head === first ? said.slice(first.length).trim() : said]
}

const dataOf = (data: Json, trackingUrl: string | null): Json => (trackingUrl === null ? data : { ...data, trackingUrl })

/** As JSON, and as the strings that some services take for what is none: JSON within JSON is longer. */
function sizeOf(data: Json): number {
  const entries = Object.entries(data).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)])
  return Math.max(Buffer.byteLength(JSON.stringify(data)), Buffer.byteLength(JSON.stringify(Object.fromEntries(entries))))
}
