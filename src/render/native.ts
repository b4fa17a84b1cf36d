import { escapeMarkdown, escapeSlack } from '../channels/chat-escape.ts'
import { fillHref, fillText } from './block.ts'
import type { Dialect, Field, Writer } from './raw.ts'
import { MARKS, type Marked, RenderRefusal } from './template.ts'
import { isWebUrl } from './urls.ts'

/**
 * How values are written into a chat service's own blocks: as text, which makes no link, calls nobody and has no style, and as
 * parts of addresses, which may be followed. Sources: Slack's pages "Formatting message text", "Text object" and "Markdown
 * block"; Microsoft's "Text features" of Adaptive Cards, whose Markdown is in a TextBlock and a FactSet; Discord's "Embed
 * object", of which the name of an author and the words of a footer hold no Markdown.
 */

/** @param blocks they tell whose they are: embeds are known by their shape, what is in others by its `type` */
export function dialectOf(blocks: unknown): Dialect {
  const isOfDiscord = Array.isArray(blocks) && blocks.every(isEmbed)
  return {
    writerOf: (field) => {
      if (field.key === 'type') return asWritten(field)
      if (ADDRESS.test(field.key)) return writeAddress(field)
      if (hasMrkdwn(field.holder) && field.key === 'text') return writeMrkdwn
      return hasMarkdown(field) || (isOfDiscord && hasEmbedMarkdown(field)) ? writeMarkdown : null
    },
    // Otherwise an address, or the name of a channel, becomes a link without anybody's mark around it.
    added: (holder) => (hasMrkdwn(holder) ? { verbatim: true } : {}),
  }
}

function isEmbed(one: unknown): boolean {
  return one !== null && typeof one === 'object' && [undefined, 'rich'].includes(Reflect.get(one, 'type'))
}

/** One that values may stand in. */
const hasMrkdwn = ({ type, text }: Field['holder']) => type === 'mrkdwn' && typeof text === 'string' && text.includes('{{')

const hasMarkdown = ({ holder: { type }, key, within }: Field) =>
  (key === 'text' && (type === 'TextBlock' || type === 'markdown')) ||
  (within === 'facts' && (key === 'title' || key === 'value'))

const hasEmbedMarkdown = ({ key, within }: Field) =>
  within === 'fields' ? key === 'name' || key === 'value' : within === '' && (key === 'title' || key === 'description')

/** What a value makes of a text is judged by the object's type, which is therefore nobody's value. */
const asWritten =
  ({ holder }: Field): Writer =>
  ({ text }) => {
    if (text === holder.type) return text
    throw new RenderRefusal('must be written out: no template may say what an object is.')
  }

// ── Addresses ────────────────────────────────────────────────────────────────

const ADDRESS = /^(?:url|poster|backgroundImage|title_link|author_link|author_icon|footer_icon)$|_url$|Url$/
/** What may be followed elsewhere than on the web, by `url`. */
const FOLLOWED = ['button', 'link', 'Action.OpenUrl']
/** Pictures that need no address, from the author alone. */
const PICTURE = /^(?:data:image\/|icon:)/i

/** An address of nothing is left out; one that may not be followed is refused, since services refuse a button without one. */
function writeAddress({ holder, key }: Field): Writer {
  const isFollowed = key === 'url' && FOLLOWED.includes(String(holder.type))
  return ({ text, values }) => {
    if (fillText(text, values).trim() === '') return undefined
    if (PICTURE.test(text)) return isOwn(text) ? text : refuse('has a picture in it: no value may be a part of one.')
    const href = fillHref(text, values)
    if (href !== null && (isFollowed || isWebUrl(href))) return href
    return refuse(`must lead to ${isFollowed ? 'http, https, mailto or tel' : 'http or https'}.`)
  }
}

function refuse(sentence: string): never {
  throw new RenderRefusal(sentence)
}

const isOwn = (text: string) => text.search(MARKS) < 0

// ── Slack's mrkdwn ───────────────────────────────────────────────────────────

/** Between < and >, an address or a mention and what is shown for it; an address that stands by itself; a value. */
const MRKDWN = /<([^<>|]*)(?:\|([^<>]*))?>|https?:\/\/[^\s<>|`*~"]*[^\s<>|`*~".,:;!?')\]]|\ue000\d+\ue001/g

function writeMrkdwn({ text, values }: Marked): string {
  const fill = (part: string) => fillEach(part, values, escapeSlack)
  return text.replace(MRKDWN, (whole, target: string | undefined, label: string | undefined) => {
    if (target === undefined) return whole.startsWith('http') ? slackLink(whole, values, whole) : fill(whole)
    const shown = label === undefined ? '' : `|${fill(label)}`
    if (isOwn(target)) return `<${target}${shown}>`
    // A mention is its author's, and a value names in it who is meant.
    if (/^[@#!]/.test(target)) return `<${fillEach(target, values, (value) => value.replace(/[<>|^&\s]/g, ''))}${shown}>`
    return slackLink(target, values, label ?? '', shown)
  })
}

/** Where its address may not be followed a link's text stays. */
function slackLink(target: string, values: readonly string[], label: string, shown = ''): string {
  const href = isOwn(target) ? target : fillHref(target, values)
  if (href === null) return fillEach(label, values, escapeSlack)
  return `<${href.replaceAll('|', '%7C').replace(/&(?!(?:amp|lt|gt);)/g, '&amp;')}${shown}>`
}

// ── Markdown ─────────────────────────────────────────────────────────────────

/** A link or an image with its address; the address of one whose words hold brackets; one that stands by itself; a value. */
const MARKDOWN =
  /\[([^[\]]*)\]\(\s{0,3}<?([^\s()<>]*)>?(?:\s"[^"\n]{0,200}")?\s{0,3}\)|\]\(\s{0,3}<?([^\s()<>]*)>?|https?:\/\/[^\s<>()[\]`*~|"]*[^\s<>()[\]`*~|".,:;!?']|\ue000\d+\ue001/g

function writeMarkdown({ text, values }: Marked): string {
  const fill = (part: string) => fillEach(part, values, escapeMarkdown)
  const lead = (address: string) =>
    fillHref(address, values)?.replace(/[()[\]*~|]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
  return text.replace(MARKDOWN, (whole, label?: string, target?: string, bare = whole.startsWith('http') ? whole : undefined) => {
    const address = target ?? bare
    if (address === undefined || isOwn(address)) return fill(whole)
    const href = lead(address)
    if (label !== undefined) return href === undefined ? fill(label) : `[${fill(label)}](${href})`
    if (whole.startsWith(']')) return `](${href ?? ''}`
    return href ?? fill(whole)
  })
}

const fillEach = (text: string, values: readonly string[], escaped: (value: string) => string) =>
  text.replace(MARKS, (_mark, index) => escaped(values[Number(index)] ?? ''))
