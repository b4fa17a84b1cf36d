import fc from 'fast-check'
import { CHANNELS, type Channel, type Outcome } from '../../src/channels/provider.ts'
import type { ChannelsInput, ProviderSettingsInput } from '../../src/domain/channel-settings.ts'
import type { DelayInput } from '../../src/domain/delay.ts'
import type { RecipientInput } from '../../src/domain/recipient.ts'
import type { RoutingInput, RoutingStepInput } from '../../src/domain/routing.ts'
import type { ContentInput, SendInput } from '../../src/domain/send.ts'
import { SEND_LIMIT_PERIODS, SEND_LIMIT_SCOPES, type SendLimit } from '../../src/domain/send-limit.ts'
import type { TemplateInput } from '../../src/domain/template.ts'
import type { TopicPreference } from '../../src/domain/topic-preference.ts'

/** What an account answers to every call. */
export type Answer = 'accepted' | 'address' | 'content' | 'request' | 'misconfigured'

export interface ConfiguredAccount {
  readonly id: string
  readonly priority: number
  readonly enabled: boolean
  readonly health: 'OK' | 'FAILING' | 'MISCONFIGURED'
  readonly answer: Answer
}

export interface ConfiguredUser {
  readonly id: string
  readonly profile: Readonly<Record<string, unknown>>
  readonly tokens: readonly { readonly kind: string; readonly providerId: string | null; readonly isOver: boolean }[]
  readonly choices: readonly {
    readonly topicId: string
    readonly tenantId: string | null
    readonly status: 'OPTED_IN' | 'OPTED_OUT'
    readonly channels: readonly Channel[]
    readonly snoozed: 'no' | 'before' | 'still'
  }[]
  /** Of which tenants they are a member, and as whom. */
  readonly memberships: readonly { readonly tenantId: string; readonly profile: Readonly<Record<string, unknown>> }[]
  readonly lists: readonly string[]
}

export interface ConfiguredTenant {
  readonly id: string
  readonly parentId: string | null
  readonly brandId: string | null
  readonly properties: Readonly<Record<string, unknown>>
  readonly profile: Readonly<Record<string, unknown>>
  readonly preferences: readonly TopicPreference[]
}

/** What the send names instead of a content. */
export interface ConfiguredTemplate extends Omit<TemplateInput, 'name' | 'tags'> {
  readonly isPublished: boolean
}

/** An environment's state, and what is sent there. */
export interface Configuration {
  readonly accounts: readonly ConfiguredAccount[]
  readonly topics: readonly {
    readonly id: string
    readonly defaultStatus: TopicPreference['status']
    readonly exempt: boolean
    readonly header: boolean
  }[]
  readonly users: readonly ConfiguredUser[]
  readonly tenants: readonly ConfiguredTenant[]
  readonly lists: readonly { readonly id: string; readonly preferences: readonly TopicPreference[] }[]
  readonly routing: RoutingInput | null
  /** used: so much is counted wherever the limit counts. */
  readonly limits: readonly (SendLimit & { readonly used: number })[]
  readonly mode: 'LIVE' | 'SIMULATE'
  /** Under the id TEMPLATE; null where the send names none. */
  readonly template: ConfiguredTemplate | null
  readonly input: SendInput
}

/** A Wednesday, with most of its hour, day, week and month to come: no period of a send limit ends while a case is played. */
export const NOW = new Date('2026-06-17T10:05:00Z')
export const TEMPLATE = 'letter'
export const inMinutes = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000)
/** A FAILING account is passed over for so long. */
export const FAILING_UNTIL = inMinutes(0.2)

/** The accounts there may be, each with its kind. inbox and webhook are there at start. */
export const ACCOUNTS = {
  'mail-a': ['EMAIL', 'mail'],
  'mail-b': ['EMAIL', 'mail'],
  'text-a': ['SMS', 'text'],
  'text-b': ['SMS', 'text'],
  'push-a': ['PUSH', 'fcm'],
  'push-b': ['PUSH', 'fcm'],
  'push-c': ['PUSH', 'expo'],
  inbox: ['INBOX', 'inbox'],
  slack: ['DIRECT_MESSAGE', 'slack'],
  telegram: ['DIRECT_MESSAGE', 'telegram'],
  webhook: ['WEBHOOK', 'webhook'],
  gateway: ['WEBHOOK', 'http'],
} as const satisfies { [id: string]: readonly [Channel, string] }

const ACCOUNT_IDS = Object.keys(ACCOUNTS) as (keyof typeof ACCOUNTS)[]
const TOPICS = ['news', 'billing'] as const
const TENANTS = ['acme', 'acme-eu', 'solo'] as const
const LISTS = ['readers', 'staff'] as const
const STATUSES = ['OPTED_IN', 'OPTED_OUT', 'REQUIRED'] as const

/** In a third of the cases. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>) => maybe(null, arbitrary)
const absent = <T>(arbitrary: fc.Arbitrary<T>) => maybe(undefined, arbitrary)
/** In half of the cases. */
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2, nil: undefined })

const maybe = <T, N>(nothing: N, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | N> =>
  fc.oneof({ withCrossShrink: true }, { weight: 2, arbitrary: fc.constant(nothing) }, { weight: 1, arbitrary })

/** Without the keys that were left out, as JSON has them. */
const lean = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K] | undefined> }): fc.Arbitrary<T> =>
  fc
    .record(fields as Record<string, fc.Arbitrary<unknown>>)
    .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T)

const channels = fc.uniqueArray(fc.constantFrom(...CHANNELS), { minLength: 1, maxLength: 4 })

const preference = (topicId: string): fc.Arbitrary<TopicPreference> =>
  fc.record({ topicId: fc.constant(topicId), status: fc.constantFrom(...STATUSES), channels: rarely(channels) })

const preferences = fc
  .tuple(...TOPICS.map((topicId) => rarely(preference(topicId))))
  .map((given) => given.filter((one) => one !== null))

/** The keys stand in another order than PostgreSQL would keep them. */
const address = fc.constant({ street: 'Veldstraat', no: 4 })

const profile = lean<Record<string, unknown>>({
  email: fc.constantFrom(undefined, 'ada@example.com', 'grace@example.com'),
  phone_number: some(fc.constantFrom('+32 470 12 34 56', '+32470123456')),
  plan: absent(fc.constantFrom('gold', 'free')),
  zoneinfo: absent(fc.constantFrom('America/New_York', 'Asia/Tokyo')),
  slack: absent(fc.constantFrom({ channel: 'C024BE91L' }, { user_id: 'U024BE7LH' })),
  telegram: absent(fc.constant({ chat_id: 42 })),
  address: absent(address),
})

/** What holds for many people names none of them. */
const sharedProfile = profile.map(({ plan, zoneinfo, address }) => JSON.parse(JSON.stringify({ plan, zoneinfo, address })))

const data = lean<Record<string, unknown>>({
  vip: some(fc.boolean()),
  address: absent(address),
})

const condition = fc.constantFrom(
  'true',
  'false',
  'data.vip',
  'has(profile.email)',
  "profile.plan == 'gold'",
  "tenant != null && tenant.region == 'eu'",
  "has(profile.phone_number) && profile.phone_number == '+32470123456'",
  "has(data.address) && data.address.map(key, key)[0] == 'no'",
)

const token = fc.record({
  kind: fc.constantFrom('fcm', 'expo'),
  providerId: rarely(fc.constantFrom('push-a', 'push-b')),
  isOver: fc.boolean(),
})

const choice = fc.record({
  topicId: fc.constantFrom(...TOPICS),
  tenantId: rarely(fc.constantFrom(...TENANTS)),
  status: fc.constantFrom('OPTED_IN' as const, 'OPTED_IN' as const, 'OPTED_OUT' as const),
  channels: fc.oneof(fc.constant([]), channels),
  snoozed: fc.constantFrom('no' as const, 'no' as const, 'before' as const, 'still' as const),
})

const user = (id: string): fc.Arbitrary<ConfiguredUser> =>
  fc.record({
    id: fc.constant(id),
    profile,
    tokens: fc.array(token, { maxLength: 3 }),
    choices: fc.uniqueArray(choice, { maxLength: 3, selector: ({ topicId, tenantId }) => `${topicId} ${tenantId}` }),
    memberships: fc.uniqueArray(fc.record({ tenantId: fc.constantFrom(...TENANTS), profile }), {
      maxLength: 2,
      selector: ({ tenantId }) => tenantId,
    }),
    lists: fc.uniqueArray(fc.constantFrom(...LISTS), { maxLength: 2 }),
  })

const tenant = (id: string): fc.Arbitrary<ConfiguredTenant> =>
  fc.record({
    id: fc.constant(id),
    parentId: fc.constant(id === 'acme-eu' ? 'acme' : null),
    brandId: rarely(fc.constantFrom('plain', 'looping')),
    properties: lean<Record<string, unknown>>({ region: absent(fc.constantFrom('eu', 'us')), address: absent(address) }),
    profile: sharedProfile,
    preferences,
  })

const account = (id: string): fc.Arbitrary<ConfiguredAccount> =>
  fc.record({
    id: fc.constant(id),
    priority: fc.integer({ min: 0, max: 2 }),
    enabled: fc.constantFrom(true, true, true, true, false),
    health: fc.constantFrom('OK', 'OK', 'OK', 'OK', 'OK', 'OK', 'FAILING', 'MISCONFIGURED'),
    answer: fc.constantFrom('accepted', 'accepted', 'accepted', 'address', 'content', 'request', 'misconfigured'),
  })

/** 'nowhere' is no account. */
const accountId = fc.constantFrom(...ACCOUNT_IDS, 'nowhere')

const leaf: fc.Arbitrary<RoutingStepInput> = fc.oneof(
  fc.record({ channel: fc.constantFrom(...CHANNELS) }),
  fc.record({ channel: fc.constantFrom(...CHANNELS) }),
  fc.record({ providerId: accountId }),
)

const routing = (levels: number): fc.Arbitrary<RoutingInput> =>
  fc.record({
    method: fc.constantFrom('SINGLE' as const, 'ALL' as const),
    channels: fc.array(levels === 1 ? leaf : fc.oneof(leaf, leaf, fc.record({ routing: routing(levels - 1) })), {
      minLength: 1,
      maxLength: 4,
    }),
  })

const channelSettings = lean<NonNullable<ChannelsInput['email']>>({
  if: absent(condition),
  providerIds: absent(fc.uniqueArray(accountId, { minLength: 1, maxLength: 4 })),
  method: absent(fc.constantFrom('SINGLE' as const, 'ALL' as const)),
})

const channelsInput: fc.Arbitrary<ChannelsInput> = lean<ChannelsInput>({
  email: some(
    fc
      .tuple(channelSettings, absent(fc.constantFrom('plain', 'looping')))
      .map(([settings, brandId]) => ({ ...settings, ...(brandId && { brandId }) })),
  ),
  sms: absent(channelSettings),
  push: absent(channelSettings),
  inbox: absent(channelSettings),
  directMessage: absent(channelSettings),
  webhook: absent(channelSettings),
})

const providersInput: fc.Arbitrary<readonly ProviderSettingsInput[]> = fc.uniqueArray(
  fc.record({ providerId: accountId, if: condition }),
  { maxLength: 3, selector: ({ providerId }) => providerId },
)

/** Past, soon, hours ahead, or never. */
const delay: fc.Arbitrary<DelayInput> = fc.constantFrom<DelayInput>(
  { duration: 'PT10M' },
  { until: inMinutes(-10).toISOString() },
  { until: inMinutes(20).toISOString() },
  { window: 'Mo-Fr 10:10-12:00' },
  { window: 'Mo-Fr 09:00-17:00' },
  { window: 'Mo-Fr 09:00-17:00', timezone: 'America/New_York' },
  { window: 'Dec 24 10:00-11:00' },
)

const expiresAt = fc.constantFrom(inMinutes(0), inMinutes(15), inMinutes(600), inMinutes(60 * 24)).map((at) => at.toISOString())

/** What the recipient says, whoever it is. */
const said = lean<RecipientInput>({
  data: absent(data),
  preferences: absent(preferences),
  tenantId: absent(fc.constantFrom(...TENANTS)),
  timezone: absent(fc.constantFrom('Europe/Brussels', 'Asia/Tokyo')),
})

const inlineToken = token.map(({ kind, providerId, isOver }) => ({
  kind,
  token: `inline-${kind}`,
  providerId,
  expiresAt: inMinutes(isOver ? -60 : 60 * 24),
}))

/** 'newcomer' is no user yet. */
const USERS = ['ada', 'grace', 'linus']
const person = (naming: fc.Arbitrary<RecipientInput>) =>
  fc.tuple(naming, said, absent(profile)).map(([named, rest, own]) => ({ ...rest, ...(own && { profile: own }), ...named }))

const named = lean<RecipientInput>({
  userId: fc.constantFrom(...USERS, 'newcomer'),
  email: absent(fc.constant('given@example.com')),
  phoneNumber: absent(fc.constant('+32 470 65 43 21')),
  deviceTokens: absent(fc.array(inlineToken, { minLength: 1, maxLength: 1 })),
})
const nameless = fc.constantFrom({ email: 'one@example.com' }, { email: 'two@example.com' }, { phoneNumber: '+32470999999' })

const group = fc
  .tuple(
    fc.constantFrom<RecipientInput>(
      { listId: 'readers' },
      { listId: 'staff' },
      { listPattern: '*' },
      { tenant: { id: 'acme', includeDescendants: true } },
      { tenant: { id: 'solo' } },
    ),
    said,
    absent(sharedProfile),
  )
  .map(([target, rest, own]) => ({ ...rest, ...(own && { profile: own }), ...target }))

const place = fc
  .tuple(
    fc.constantFrom<RecipientInput>(
      { webhook: { url: 'https://example.com/in' } },
      { slack: { webhookUrl: 'https://hooks.slack.com/services/T024BE7LD/B1/x' } },
      { telegram: { chatId: '7' } },
    ),
    absent(data),
  )
  .map(([where, own]) => ({ ...(own && { data: own }), ...where }))

const nameOf = ({ userId, email, phoneNumber, webhook, slack, telegram, ...group }: RecipientInput) =>
  userId ?? email ?? phoneNumber ?? JSON.stringify(webhook ?? slack ?? telegram ?? group)

/** Two of one name could not be told apart afterwards. */
const recipients = fc.uniqueArray(fc.oneof(person(named), person(named), person(nameless), group, place), {
  minLength: 1,
  maxLength: 3,
  selector: nameOf,
})

/** 'loop' brings in itself where the brand is 'looping': then it does not render. */
const content: fc.Arbitrary<ContentInput> = lean<ContentInput>({
  title: fc.constantFrom('Hello', 'For {{profile.email}}', '{{profile.plan}} {{tenant.region}}', '{{> loop}}'),
  body: absent(
    fc.constantFrom('{{urls.preferences}}', '{{address}} {{profile.address}} {{tenant.address}}', '{{profile.phone_number}}'),
  ),
})

const input: fc.Arbitrary<SendInput> = lean<SendInput>({
  to: recipients,
  content,
  data: absent(data),
  topicId: some(fc.constantFrom(...TOPICS, ...TOPICS, ...TOPICS, ...TOPICS, 'no-such-topic')),
  tenantId: absent(fc.constantFrom(...TENANTS)),
  brandId: absent(fc.constantFrom('plain', 'plain', 'plain', 'looping')),
  routing: some(routing(3)),
  channels: some(channelsInput),
  providers: absent(providersInput),
  delay: absent(delay),
  expiresAt: absent(expiresAt),
})

const template: fc.Arbitrary<ConfiguredTemplate> = lean<ConfiguredTemplate>({
  isPublished: fc.constantFrom(true, true, true, true, true, false),
  content,
  onMissingVariable: fc.constantFrom('EMPTY', 'EMPTY', 'FAIL'),
  channels: some(channelsInput),
  providers: absent(providersInput),
  routing: some(routing(2)),
  topicId: some(fc.constantFrom(...TOPICS)),
  brandId: absent(fc.constantFrom('plain', 'looping')),
  dataSchema: absent(fc.constant({ type: 'object', properties: { vip: { type: 'boolean' } }, required: ['vip'] })),
})

const limit = fc.record({
  scope: fc.constantFrom(...SEND_LIMIT_SCOPES),
  period: fc.constantFrom(...SEND_LIMIT_PERIODS),
  max: fc.integer({ min: 1, max: 3 }),
  used: fc.integer({ min: 0, max: 3 }),
})

/**
 * The widest come last: which of two full limits is named is settled when a group's members are found, and one that others
 * fill in the meantime must not go before it.
 */
const limits = fc
  .uniqueArray(limit, { maxLength: 2, selector: ({ scope, period }) => `${scope} ${period}` })
  .map((found) => found.toSorted((a, b) => SEND_LIMIT_SCOPES.indexOf(b.scope) - SEND_LIMIT_SCOPES.indexOf(a.scope)))

export const configuration: fc.Arbitrary<Configuration> = fc
  .record({
    accounts: fc.tuple(...ACCOUNT_IDS.map((id) => fc.option(account(id), { freq: 8 }))),
    topics: fc.tuple(
      ...TOPICS.map((id) =>
        fc.record({
          id: fc.constant(id),
          defaultStatus: fc.constantFrom('OPTED_IN' as const, ...STATUSES),
          exempt: fc.boolean(),
          header: fc.boolean(),
        }),
      ),
    ),
    users: fc.tuple(...USERS.map(user)),
    tenants: fc.tuple(...TENANTS.map(tenant)),
    lists: fc.tuple(...LISTS.map((id) => fc.record({ id: fc.constant(id), preferences }))),
    routing: rarely(routing(2)),
    limits: fc.oneof(fc.constant([]), fc.constant([]), limits),
    mode: fc.constantFrom(
      'LIVE' as const,
      'LIVE' as const,
      'LIVE' as const,
      'LIVE' as const,
      'LIVE' as const,
      'SIMULATE' as const,
    ),
    template: rarely(template),
    input,
  })
  .map(({ input: { content, ...rest }, ...drawn }) => ({
    ...drawn,
    input: drawn.template === null ? { content: content!, ...rest } : { template: TEMPLATE, ...rest },
  }))
  .map((drawn) => ({ ...drawn, accounts: drawn.accounts.filter((one) => one !== null).map(settled(drawn.input.to)) }))

/** Settings that one message finds refused are refused for the next: the plans of the others were made before. */
const settled =
  (to: SendInput['to']) =>
  (one: ConfiguredAccount): ConfiguredAccount =>
    one.answer === 'misconfigured' && (to.length > 1 || isGroup(to[0]!)) ? { ...one, answer: 'request' } : one

const isGroup = ({ listId, listPattern, tenant }: RecipientInput) => (listId ?? listPattern ?? tenant) != null

export function outcomeOf(answer: Answer): Outcome {
  switch (answer) {
    case 'accepted':
      return { kind: 'accepted' }
    case 'misconfigured':
      return { kind: 'misconfigured', error: 'Its key was refused.' }
    default:
      return { kind: 'rejected', what: answer, error: `It refused the ${answer}.` }
  }
}
