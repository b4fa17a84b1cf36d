import type { Rendered } from '../channels/provider.ts'
import { type Manner, plainText, READING } from './block.ts'
import { actionsOf, type Message } from './message.ts'
import { printJson } from './raw.ts'

/** What can be pressed is told beside the text. */
const MANNER: Manner = { ...READING, actions: false }

/** A message to a webhook. payload: what the receiver gets of it, or what the document says that it gets. */
export function renderWebhook(message: Message): Rendered {
  const { job, title, fullTitle, blocks, document } = message
  const text = plainText(blocks, MANNER)
  const actions = actionsOf(blocks)
  const own = document.raw?.content.payload
  if (own !== undefined) return { title, text, payload: printJson(own, `${document.raw!.path}.payload`, message) }
  const { messageId } = job.values.carillon
  const body = document.nodes.some(({ element }) => element.type !== 'meta') || document.raw !== null ? text : null
  return { title, text, actions, payload: { messageId, title: fullTitle, body, actions, data: job.values.data } }
}
