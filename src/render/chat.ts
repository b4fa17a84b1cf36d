import type { Block, Rendered } from '../channels/provider.ts'
import { type Message, underTitle } from './message.ts'
import { type LiteralOf, printJson } from './raw.ts'

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
    payload: printJson(own, `${document.raw!.path}.${field}`, message, literalIn(message.job.provider?.kind ?? null)),
  }
}

/**
 * Values in a service's own blocks are text there: no link, no mention, no style. Slack's markup is in objects of the type
 * mrkdwn, and &, < and > are all that it escapes ("Formatting message text"): a star may still make a word bold. Markdown is in
 * an Adaptive Card's TextBlock, and in every text of Discord's that is no address.
 */
function literalIn(kind: string | null): LiteralOf {
  return ({ type }, key) => {
    if (type === 'mrkdwn' && key === 'text') return asSlackText
    if (type === 'TextBlock' && key === 'text') return asMarkdownText
    return kind === 'discord' && !/url$/.test(key) ? asMarkdownText : null
  }
}

const asSlackText = (value: string) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const asMarkdownText = (value: string) => value.replace(/[\\`*_~|[\]()<>#@!-]/g, '\\$&')
