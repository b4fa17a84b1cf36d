import type { Channel } from '../channels/provider.ts'
import type { PreferenceStatus } from '../generated/tables.ts'
import type { JsonObject } from './json.ts'
import type { TopicPreference } from './topic-preference.ts'

/** What a user chose about a topic, in one tenant or everywhere. channels: only these; null means every one. */
export interface Choice {
  readonly status: 'OPTED_IN' | 'OPTED_OUT'
  readonly channels: readonly Channel[] | null
  readonly snoozedUntil: Date | null
}

type Said = Omit<TopicPreference, 'topicId'>

/** Everything that is said about one topic for one user. Null: nothing was said. */
export interface PreferenceLayers {
  readonly topic: { readonly id: string; readonly defaultStatus: PreferenceStatus }
  /** What this one send says over all that is stored. */
  readonly send: Said | null
  readonly inTenant: { readonly tenantId: string; readonly choice: Choice } | null
  /** The user's choice without a tenant. */
  readonly everywhere: Choice | null
  readonly list: { readonly listId: string; readonly preference: Said } | null
  /** The tenant whose context holds and those above it, from leaf to root, at most 4. */
  readonly tenants: readonly { readonly tenantId: string; readonly preference: Said | null }[]
}

/** A choice where it was made; tenantId: null where it holds everywhere. */
export interface PlacedChoice extends Choice {
  readonly tenantId: string | null
}

/**
 * What is stored about a topic for one user: all but what a send or the list it goes to says.
 *
 * @param choices the user's own about this topic: those without a tenant, and those in the first tenant of the chain
 * @param chain from leaf to root; empty where no tenant's context holds
 */
export function storedLayers(
  topic: PreferenceLayers['topic'],
  choices: readonly PlacedChoice[],
  chain: readonly { readonly id: string; readonly defaultPreferences: readonly TopicPreference[] }[],
): Omit<PreferenceLayers, 'send' | 'list'> {
  const [leaf] = chain
  const choice = leaf && choices.find(({ tenantId }) => tenantId === leaf.id)
  return {
    topic,
    inTenant: leaf && choice ? { tenantId: leaf.id, choice } : null,
    everywhere: choices.find(({ tenantId }) => tenantId === null) ?? null,
    tenants: chain.map(({ id, defaultPreferences }) => ({
      tenantId: id,
      preference: defaultPreferences.find(({ topicId }) => topicId === topic.id) ?? null,
    })),
  }
}

/** A rule that was asked. passed is false only where it stops the message. */
export interface PreferenceDecision {
  readonly rule:
    | 'required'
    | 'preference of the send'
    | 'choice in the tenant'
    | 'choice'
    | 'list'
    | 'tenant'
    | 'topic'
    | 'snooze'
  /** The tenant or list that speaks, otherwise the topic. */
  readonly subject: string
  readonly passed: boolean
  readonly because: string
  readonly detail: JsonObject | null
}

/** What holds for one user and one topic. */
export interface Resolution {
  readonly status: PreferenceStatus
  /** What would hold had neither the send nor the user said anything. */
  readonly defaultStatus: PreferenceStatus
  readonly source: 'USER' | 'TENANT' | 'TOPIC'
  /** Only these may carry it; null means every one. */
  readonly channels: readonly Channel[] | null
  /** Later than now, or null: a snooze that ended is none. */
  readonly snoozedUntil: Date | null
  /** Why a message must not go; null: it may. */
  readonly stops: 'UNSUBSCRIBED' | 'OPT_IN_REQUIRED' | 'SNOOZED' | null
  /** Each rule that was asked, in order; the last one is the deciding one. */
  readonly decisions: readonly PreferenceDecision[]
}

/**
 * Whether a user gets what is about a topic, on which channels, and who decided. Pure and total. Who is asked first decides:
 * the send, the user's choice in the tenant, the user's choice everywhere, the list that was sent to, the tenants from leaf
 * to root, the topic. REQUIRED is above all of them: said by the send, the list, a tenant or the topic it passes whatever
 * the user chose or snoozed, on the channels of whoever said it. OPTED_OUT said by the send or by the user stops with
 * UNSUBSCRIBED; said by a list, a tenant or the topic it stops with OPT_IN_REQUIRED, because nobody opted in.
 *
 * A choice made everywhere goes before a tenant's default: it was made by the person, the default by nobody in particular.
 */
export function resolvePreference(layers: PreferenceLayers, now: Date): Resolution {
  const voices = voicesOf(layers)
  const defaultStatus = statusWithout(voices)
  const required = voices.find(({ byUser, said }) => !byUser && said?.status === 'REQUIRED')
  if (required) return resolution(required, defaultStatus, null, [decisionOfRequired(required, layers.topic.id)])

  const deciding = voices.findIndex(({ said }) => said !== null)
  const voice = voices[deciding]!
  const snoozedUntil = stillAhead(voice.said!.snoozedUntil, now)
  const stops = stopOf(voice, snoozedUntil)
  const decisions = [...voices.slice(0, deciding).map(silence), decisionOf(voice, stops === null || stops === 'SNOOZED')]
  if (stops === 'SNOOZED') decisions.push(snooze(layers.topic.id, snoozedUntil!))
  return { ...resolution(voice, defaultStatus, stops, decisions), snoozedUntil }
}

/** One who may say something about the topic. said: null where they do not. */
interface Voice {
  readonly rule: PreferenceDecision['rule']
  readonly subject: string
  readonly source: Resolution['source']
  /** The user's own choice, which cannot make a topic REQUIRED. */
  readonly byUser: boolean
  readonly said: (Said & { readonly snoozedUntil?: Date | null }) | null
  /** What they say, or that they say nothing, as a sentence. */
  readonly because: (status: PreferenceStatus | null) => string
}

/** In the order in which they are asked. The topic is the last, and always says something. */
function voicesOf({ topic, send, inTenant, everywhere, list, tenants }: PreferenceLayers): readonly Voice[] {
  const tenantId = inTenant?.tenantId ?? tenants[0]?.tenantId
  const voices: Voice[] = []
  if (send) voices.push({ rule: 'preference of the send', ...ofSend, subject: topic.id, said: send })
  if (tenantId !== undefined) {
    const manner = ofUser(` in the tenant '${tenantId}'`)
    voices.push({ rule: 'choice in the tenant', ...manner, subject: tenantId, said: inTenant?.choice ?? null })
  }
  voices.push({ rule: 'choice', ...ofUser(''), subject: topic.id, said: everywhere })
  if (list) voices.push({ rule: 'list', ...ofDefault(`the list '${list.listId}'`), subject: list.listId, said: list.preference })
  for (const { tenantId: id, preference } of tenants) {
    voices.push({ rule: 'tenant', ...ofDefault(`the tenant '${id}'`), subject: id, said: preference })
  }
  const said = { status: topic.defaultStatus, channels: null }
  voices.push({ rule: 'topic', ...ofDefault(`the topic '${topic.id}'`), source: 'TOPIC', subject: topic.id, said })
  return voices
}

type Manner = Pick<Voice, 'source' | 'byUser' | 'because'>

const ofSend: Manner = {
  source: 'USER',
  byUser: false,
  because: (status) =>
    ({ OPTED_IN: 'the send opts in', OPTED_OUT: 'the send opts out', REQUIRED: 'the send requires it' })[status!],
}

function ofUser(where: string): Manner {
  const words = { OPTED_IN: 'opted in', OPTED_OUT: 'opted out', REQUIRED: 'requires it' }
  return { source: 'USER', byUser: true, because: (status) => `the user ${status ? words[status] : 'chose nothing'}${where}` }
}

function ofDefault(name: string): Manner {
  const words = { OPTED_IN: 'opts in', OPTED_OUT: 'opts out until the user opts in', REQUIRED: 'requires it' }
  return { source: 'TENANT', byUser: false, because: (status) => `${name} ${status ? words[status] : 'says nothing'}` }
}

function statusWithout(voices: readonly Voice[]): PreferenceStatus {
  const defaults = voices.filter(({ rule }) => rule === 'list' || rule === 'tenant' || rule === 'topic')
  const said = defaults.flatMap((voice) => voice.said?.status ?? [])
  return said.includes('REQUIRED') ? 'REQUIRED' : said[0]!
}

function stopOf({ rule, byUser, said }: Voice, snoozedUntil: Date | null): Resolution['stops'] {
  if (said!.status === 'OPTED_OUT') return byUser || rule === 'preference of the send' ? 'UNSUBSCRIBED' : 'OPT_IN_REQUIRED'
  return snoozedUntil === null ? null : 'SNOOZED'
}

function stillAhead(until: Date | null | undefined, now: Date): Date | null {
  return until != null && until > now ? until : null
}

function resolution(
  { source, said }: Voice,
  defaultStatus: PreferenceStatus,
  stops: Resolution['stops'],
  decisions: readonly PreferenceDecision[],
): Resolution {
  const { status, channels } = said!
  return { status, defaultStatus, source, channels, snoozedUntil: null, stops, decisions }
}

function decisionOf({ rule, subject, said, because }: Voice, passed: boolean): PreferenceDecision {
  return { rule, subject, passed, because: because(said!.status), detail: said!.channels && { channels: said!.channels } }
}

function silence({ rule, subject, because }: Voice): PreferenceDecision {
  return { rule, subject, passed: true, because: because(null), detail: null }
}

function decisionOfRequired({ rule, subject, said, because }: Voice, topicId: string): PreferenceDecision {
  const detail = { by: rule, id: subject, ...(said!.channels && { channels: said!.channels }) }
  return { rule: 'required', subject: topicId, passed: true, because: because('REQUIRED'), detail }
}

function snooze(topicId: string, until: Date): PreferenceDecision {
  const detail = { until: until.toISOString() }
  return { rule: 'snooze', subject: topicId, passed: false, because: `the user snoozed the topic until ${detail.until}`, detail }
}
