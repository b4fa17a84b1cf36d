import type { Channel } from '../channels/provider.ts'
import type { RenderedBrand } from '../render/brand.ts'
import { NO_TRACKING, type RenderJob, type Tracking } from '../render/job.ts'
import type { RenderPool } from '../render/pool.ts'
import { RenderRefusal } from '../render/template.ts'
import type { Urls } from '../render/urls.ts'
import type { Db } from '../store/database.ts'
import type { TemplateVersions } from '../store/template.ts'
import type { BuiltInAccount } from './account.ts'
import type { Vault } from './command.ts'
import type { Links } from './link.ts'
import type { Decision, Routed, Step, Stopped } from './plan.ts'
import { leftOf, stepsOf } from './route-tree.ts'
import type { Definition } from './send.ts'
import type { Occasion, Situation } from './situation.ts'

/** Makes links that act for a user, or only look as if. */
export type LinkMaker = Pick<Links, 'unsubscribeUrl' | 'preferencesUrl'>

/** What it takes to show what would be sent, without sending it. */
export interface ShowingParts {
  readonly db: Db
  readonly versions: TemplateVersions
  readonly vault: Vault
  readonly builtIns: readonly BuiltInAccount[]
  readonly renderer: Pick<RenderPool, 'render'>
  /** They stand in what is shown to whoever looks, so they must not act for the user. */
  readonly links: LinkMaker
  readonly now: () => Date
}

const NONE: Urls = { unsubscribe: null, preferences: null }

/** The pages of ours that a message may link to. They are for users, whose choices are kept: an ad-hoc address has none. */
export function urlsOf({ environmentId, userId, tenantId }: Occasion, { topic }: Situation, links: LinkMaker): Urls {
  if (userId === null) return NONE
  const person = { environmentId, userId, tenantId }
  return {
    unsubscribe: topic?.includeUnsubscribeHeader ? links.unsubscribeUrl({ ...person, topicId: topic.id }) : null,
    preferences: links.preferencesUrl(person),
  }
}

/** Whom a rendering is for. provider: null where none is chosen. */
export type Reader = Pick<RenderJob, 'channel' | 'provider'>

/** What is known beside the message's circumstances. recipient: as the log names them; by default the user, where it is one. */
export interface Beside {
  readonly recipient?: string
  /** Nothing is tracked by default. */
  readonly tracked?: Pick<Tracking, 'openUrl' | 'clicks' | 'pushUrl'>
}

/** A message as one channel and account is to render it. */
export function renderJobOf(
  reader: Reader,
  occasion: Occasion,
  situation: Situation,
  urls: Urls,
  messageId: string,
  { recipient, tracked = NO_TRACKING }: Beside = {},
): RenderJob {
  const { channel, provider } = reader
  const { environmentId, userId, definition, enqueuedAt } = occasion
  const { data, snapshot, tenant } = situation
  const brand = (channel === 'EMAIL' ? situation.emailBrand : null) ?? situation.brand
  const { profile, to } = snapshot
  const { openUrl, clicks, pushUrl } = tracked
  return {
    document: json(definition.content),
    brand: brand === null ? null : json(brand, withSnippets),
    channel,
    provider,
    locale: to.locale ?? definition.locale ?? (typeof profile.locale === 'string' ? profile.locale : null),
    onMissing: definition.onMissing ?? 'EMPTY',
    values: {
      data,
      profile,
      tenant: tenant && { ...tenant.properties, id: tenant.id, name: tenant.name },
      urls,
      carillon: {
        messageId,
        event: definition.metadata.event,
        environment: environmentId,
        recipient: recipient ?? userId,
        template: definition.template?.id ?? null,
        year: enqueuedAt.getUTCFullYear(),
      },
    },
    tracking: { utm: utmOf(definition, channel, provider), openUrl, clicks, pushUrl },
    ...(bringsWords(definition, reader) && { mayBeSilent: true }),
    overridingHtml: (channel === 'EMAIL' ? definition.channels?.EMAIL?.override?.html : null) ?? null,
  }
}

/** Whether what goes over the content has something to show: a text, blocks, a file, or a request in a provider's own words. */
function bringsWords({ channels, providers }: Definition, { channel, provider }: Reader): boolean {
  if (provider && providers?.some(({ providerId, override }) => providerId === provider.id && override !== undefined)) return true
  const { subject, html, text, title, body, preview, blocks, attachments } = channels?.[channel]?.override ?? {}
  const isShown = [subject, html, text, title, body, preview].some((said) => typeof said === 'string' && said.trim() !== '')
  return isShown || blocks != null || (attachments !== undefined && attachments.length > 0)
}

/** What the send says of all its links, under what is said of the channel, under what is said of the account. */
function utmOf({ metadata, channels, providers }: Definition, channel: Channel, provider: Reader['provider']): Tracking['utm'] {
  const ofProvider = provider && providers?.find(({ providerId }) => providerId === provider.id)?.utm
  const said: Record<string, string> = { ...metadata.utm, ...channels?.[channel]?.utm, ...ofProvider }
  return Object.keys(said).length === 0 ? null : said
}

/** The content of a template's version, say, is one object for all of its messages. */
const written = new WeakMap<object, string>()

function json<T extends object>(value: T, formOf: (value: T) => object = (one) => one): string {
  const text = written.get(value) ?? JSON.stringify(formOf(value))
  written.set(value, text)
  return text
}

const withSnippets = ({ snippets, ...brand }: RenderedBrand) => ({ ...brand, snippets: Object.fromEntries(snippets) })

/**
 * Of what came of a rendering: the refusal, as a value.
 *
 * @throws what is none
 */
export function refusalOf(error: unknown): RenderRefusal {
  if (error instanceof RenderRefusal) return error
  throw error
}

/**
 * A route without the steps that cannot say the message: they would not say it later, either, and the others go on without
 * them (reference: courier 7.3). Where none is left, the message ends. Each account's refusal is a decision; that of the last
 * account is what the message is told.
 *
 * @param refusals by steps of the route
 */
export function withoutRefused(route: Routed, refusals: ReadonlyMap<Step, RenderRefusal>): Routed | Stopped {
  const decisions = [...route.decisions, ...refusedBy(route.steps, refusals)]
  const tree = leftOf(route.tree, (step) => refusals.has(step))
  if (tree !== null) return { ...route, tree, steps: [...new Set(stepsOf(tree))], decisions }
  const error = decisions.at(-1)!.because
  return { kind: 'stop', status: 'UNDELIVERABLE', reason: 'RENDER_ERROR', error, decisions }
}

/** One of each account, in the order in which they would be tried. */
export function refusedBy(steps: readonly Step[], refusals: ReadonlyMap<Step, RenderRefusal>): readonly Decision[] {
  const found = new Map<string, Decision>()
  for (const step of steps) {
    const refusal = refusals.get(step)
    if (refusal === undefined || found.has(step.providerId)) continue
    found.set(step.providerId, {
      rule: 'render',
      subject: step.providerId,
      passed: false,
      because: refusal.message,
      detail: { channel: step.channel },
    })
  }
  return [...found.values()]
}
