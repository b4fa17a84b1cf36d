import type { Channel } from '../channels/provider.ts'
import type {
  ChannelElement,
  ColumnElement,
  Content,
  Element,
  ListItemElement,
  Locales,
  RawContent,
  TextPart,
} from './element.ts'

/** Whom a document is shown to, as far as it is known before any value is. */
export interface Audience {
  readonly channel: Channel
  /** The account it goes through; null where none is chosen yet. */
  readonly provider: { readonly id: string; readonly kind: string } | null
  /** As a profile says it: `fr-CA`, `fr_CA`; null for none. */
  readonly locale: string | null
}

/** What stands in a document for one audience. raw: the channel's own words, which then stand instead of all but a title. */
export interface Document {
  readonly nodes: readonly Node[]
  readonly raw: Raw | null
  /** Every `ref` of the content, those of elements for others too: what is not there is not visible. */
  readonly refs: readonly string[]
}

export interface Raw {
  readonly content: RawContent
  /** Where it stands in the content: `elements.1.raw`. */
  readonly path: string
}

export type NodeElement = Exclude<Element, ChannelElement> | TextPart | ListItemElement | ColumnElement

/** An element in its reader's language, with what it holds. Its own `elements` and `locales` are not to be read: nodes are. */
export interface Node<E extends NodeElement = NodeElement> {
  readonly element: E
  readonly nodes: readonly Node[]
  /** Where it stands in the content: `elements.2.elements.0`. */
  readonly path: string
  /** Of fields that stand elsewhere than in the element: a translation, or title and body. */
  readonly places: Readonly<Record<string, string>>
  /** Of the translation that it is in: `fr-CA`. */
  readonly locale?: string
}

/** Of an element's field, for a sentence about it: `elements.2.content`. */
export const placeOf = ({ path, places }: Node, field: string) => places[field] ?? `${path}.${field}`

/** The name that `channels` and channel elements know a channel by. */
export const channelName = (channel: Channel) => channel.toLowerCase()

/**
 * A checked content (check.ts) as an audience sees it: elements for others and comments are gone, translations are in their
 * places, title and body stand first as the elements they are short for. Conditions and loops are left to flow.ts.
 */
export function resolveDocument(content: Content, audience: Audience): Document {
  const short = sugar(content)
  const elements = content.elements ?? []
  const refs = refsOf(elements)
  if (!isByChannel(elements)) return { nodes: [...short, ...resolve(elements, 'elements', audience)], raw: null, refs }
  const chosen = chosenFor(elements as readonly ChannelElement[], audience)
  if (chosen === null) return { nodes: short, raw: null, refs }
  const { element, path } = chosen
  if (element.raw) return { nodes: short, raw: { content: element.raw, path: `${path}.raw` }, refs }
  return { nodes: [...short, asGroup(element, path, audience)], raw: null, refs }
}

/** Whether a document says anything on its channel, were all its conditions held. */
export const speaks = ({ nodes, raw }: Document, channel: Channel) => raw !== null || nodes.some(holdsSome(channel))

/** Whether a content has anything for a channel and account, were all its conditions held. A webhook always brings the data. */
export function speaksOn(content: Content, channel: Channel, provider: Audience['provider'] = null): boolean {
  return channel === 'WEBHOOK' || speaks(resolveDocument(content, { channel, provider, locale: null }), channel)
}

/** Every name that a content knows its readers by: of channels, kinds of providers and accounts. */
export function audiencesIn({ elements }: Content): ReadonlySet<string> {
  const names = new Set<string>()
  const walk = (element: Listed): void => {
    for (const name of element.channels ?? []) names.add(name)
    if (element.type === 'channel') names.add(element.channel)
    if ('elements' in element) element.elements?.forEach(walk)
  }
  elements?.forEach(walk)
  return names
}

const holdsSome =
  (channel: Channel) =>
  ({ element, nodes }: Node): boolean => {
    if (element.type === 'html') return channel === 'EMAIL'
    return CARRIERS.has(element.type) ? nodes.some(holdsSome(channel)) : true
  }

const CARRIERS: ReadonlySet<string> = new Set(['group', 'columns', 'column', 'list'])

/** Whether the elements of a document are one for each channel. */
export const isByChannel = (elements: readonly { readonly type?: unknown }[]) => elements.some(({ type }) => type === 'channel')

function refsOf(elements: readonly Listed[]): readonly string[] {
  return elements.flatMap((element) => [
    ...(element.ref === undefined ? [] : [element.ref]),
    ...('elements' in element ? refsOf(element.elements ?? []) : []),
  ])
}

type Listed = Element | TextPart | ListItemElement | ColumnElement

function sugar({ title, body }: Content): readonly Node[] {
  const nodes: Node[] = []
  if (title) nodes.push({ element: { type: 'meta', title }, nodes: [], path: 'title', places: { title: 'title' } })
  if (body) nodes.push({ element: { type: 'text', content: body }, nodes: [], path: 'body', places: { content: 'body' } })
  return nodes
}

/** The first that names the account holds, then its kind, then the channel, then `default`. */
function chosenFor(elements: readonly ChannelElement[], audience: Audience) {
  const { channel, provider } = audience
  const named = elements.map((element, index) => ({ element, path: `elements.${index}` }))
  const seen = named.filter(({ element }) => isFor(element.channels, audience))
  for (const name of [provider?.id, provider?.kind, channelName(channel), 'default']) {
    const found = seen.find(({ element }) => element.channel === name)
    if (found !== undefined) return found
  }
  return null
}

function asGroup(element: ChannelElement, path: string, audience: Audience): Node {
  const { if: condition, loop, ref, elements = [] } = element
  const carried = { ...(condition !== undefined && { if: condition }), ...(loop !== undefined && { loop }), ...(ref && { ref }) }
  return {
    element: { type: 'group', elements: [], ...carried },
    nodes: resolve(elements, `${path}.elements`, audience),
    path,
    places: {},
  }
}

function resolve(elements: readonly Listed[], path: string, audience: Audience): readonly Node[] {
  return elements.flatMap((element, index) => {
    if (element.type === 'comment' || element.type === 'channel' || !isFor(element.channels, audience)) return []
    return [nodeOf(element, `${path}.${index}`, audience)]
  })
}

function nodeOf(element: NodeElement, path: string, audience: Audience): Node {
  const inner = 'elements' in element ? (element.elements ?? []) : []
  const nodes = resolve(inner, `${path}.elements`, audience)
  const locales = 'locales' in element ? (element.locales as Locales<object> | undefined) : undefined
  const translated = locales && audience.locale !== null ? translationOf(locales, audience.locale) : null
  if (translated === null) return { element, nodes, path, places: {} }
  const places = Object.keys(translated.fields).map((field) => [field, `${path}.locales.${translated.key}.${field}`] as const)
  return {
    element: { ...element, ...translated.fields },
    nodes,
    path,
    places: Object.fromEntries(places),
    locale: translated.key,
  }
}

/** For fr-CA: that of fr-CA, else that of fr, else none, and the base text holds (reference: courier 1.5, control flow). */
function translationOf(locales: Locales<object>, locale: string) {
  const keys = Object.keys(locales)
  for (const wanted of localesFrom(locale)) {
    const key = keys.find((one) => plainLocale(one) === wanted)
    if (key !== undefined) return { key, fields: locales[key]! }
  }
  return null
}

/** No content names a locale by more, and what a profile says is of any length. */
const MOST_SUBTAGS = 8

/** For fr-CA: fr-ca and fr, as `plainLocale` writes them. */
export function localesFrom(locale: string): readonly string[] {
  const parts = plainLocale(locale).split('-', MOST_SUBTAGS)
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('-'))
}

export const plainLocale = (locale: string) => locale.replaceAll('_', '-').toLowerCase()

function isFor(channels: readonly string[] | undefined, { channel, provider }: Audience): boolean {
  if (channels === undefined) return true
  return channels.some((name) => name === channelName(channel) || name === provider?.kind || name === provider?.id)
}
