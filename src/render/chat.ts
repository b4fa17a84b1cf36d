import type { Block, Rendered } from '../channels/provider.ts'
import { type Message, underTitle } from './message.ts'
import { dialectOf } from './native.ts'
import { printJson } from './raw.ts'

/**
 * A direct message: blocks, and the same as text for where none can be shown. payload: the service's own blocks, where the
 * document has them.
 */
export function renderChat(message: Message): Rendered {
  const { title, blocks, document } = message
  const heading: readonly Block[] = title === '' ? [] : [{ kind: 'heading', level: 1, spans: [{ text: title }] }]
  const text = underTitle(title, blocks)
  const own = document.raw?.content.blocks ?? document.raw?.content.slackBlocks
  if (own === undefined) return { text, blocks: [...heading, ...blocks] }
  const field = document.raw!.content.blocks === undefined ? 'slackBlocks' : 'blocks'
  return {
    text,
    payload: printJson(own, `${document.raw!.path}.${field}`, message, dialectOf(own)),
  }
}
