import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { createAddressGuard } from '../../src/channels/address.ts'
import { checkChannels, checkProviderSettings } from '../../src/domain/channel-settings.ts'
import { countersOf } from '../../src/domain/send-limit.ts'
import { openLogHead } from '../../src/log/append.ts'
import type { Db, Tx } from '../../src/store/database.ts'
import { publish, putDraft } from '../../src/store/template.ts'
import {
  ACCOUNTS,
  type Configuration,
  type ConfiguredTemplate,
  FAILING_UNTIL,
  inMinutes,
  NOW,
  TEMPLATE,
} from './configuration.ts'

/** Writes a configuration as an environment's rows, as the API would have left them. */
export async function furnish(db: Db, environmentId: string, configuration: Configuration): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const { routing, limits } = configuration
    const sendLimits = limits.map(({ scope, max, period }) => ({ scope, max, period }))
    await tx
      .insertInto('environment')
      .values({
        id: environmentId,
        name: environmentId,
        routing: routing && JSON.stringify(routing),
        send_limits: JSON.stringify(sendLimits),
      })
      .execute()
    await openLogHead(tx, environmentId)
    await furnishAccounts(tx, environmentId, configuration)
    await furnishWords(tx, environmentId, configuration)
    if (configuration.template !== null) await furnishTemplate(tx, environmentId, configuration.template)
    await furnishUsers(tx, environmentId, configuration)
    await furnishCounts(tx, environmentId, configuration)
  })
}

async function furnishAccounts(tx: Tx, environment_id: string, { accounts }: Configuration): Promise<void> {
  if (accounts.length === 0) return
  await tx
    .insertInto('provider')
    .values(
      accounts.map(({ id, priority, enabled }) => {
        const [channel, kind] = ACCOUNTS[id as keyof typeof ACCOUNTS]
        const settings = JSON.stringify({ account: id, url: 'https://gateway.example.com/in' })
        return { environment_id, id, kind, channel, priority, enabled, settings, updated_at: NOW }
      }),
    )
    .execute()
  const learned = accounts.filter(({ health }) => health !== 'OK')
  if (learned.length === 0) return
  await tx
    .insertInto('provider_state')
    .values(
      learned.map(({ id, health }) => ({
        environment_id,
        provider_id: id,
        version: String(NOW.getTime()),
        health,
        last_error: 'It said no.',
        until: health === 'FAILING' ? FAILING_UNTIL : null,
      })),
    )
    .execute()
}

/** Topics, tenants, lists and brands: what may be said about a message beside its person. */
async function furnishWords(tx: Tx, environment_id: string, { topics, tenants, lists }: Configuration): Promise<void> {
  await tx
    .insertInto('topic')
    .values(
      topics.map(({ id, defaultStatus, exempt, header }) => ({
        environment_id,
        id,
        name: id,
        default_status: defaultStatus,
        exempt_from_send_limits: exempt,
        include_unsubscribe_header: header,
      })),
    )
    .execute()
  await tx
    .insertInto('tenant')
    .values(
      tenants.map(({ id, parentId, brandId, properties, profile, preferences }) => ({
        environment_id,
        id,
        name: id,
        parent_id: parentId,
        brand_id: brandId,
        properties: JSON.stringify(properties),
        profile: JSON.stringify(profile),
        default_preferences: JSON.stringify(preferences),
      })),
    )
    .execute()
  await tx
    .insertInto('list')
    .values(lists.map(({ id, preferences }) => ({ environment_id, id, name: id, preferences: JSON.stringify(preferences) })))
    .execute()
  const brand = (id: string, header: string, loop: string) => ({
    environment_id,
    id,
    name: id,
    settings: JSON.stringify({ email: { header } }),
    snippets: JSON.stringify([{ name: id === 'default' ? 'back' : 'loop', value: loop }]),
  })
  await tx
    .insertInto('brand')
    .values([
      brand('default', 'Hello', '{{> loop}}'),
      brand('plain', 'Hi', 'A loop.'),
      // Each is well by itself: together with the default one's, its snippet brings in itself.
      brand('looping', '{{> loop}}', '{{> back}}'),
    ])
    .execute()
}

async function furnishTemplate(tx: Tx, environmentId: string, { isPublished, ...input }: ConfiguredTemplate): Promise<void> {
  const { content, onMissingVariable: onMissing, channels, providers, ...rest } = input
  const draft = {
    content,
    onMissing,
    ...rest,
    ...(channels && { channels: checkChannels(channels, [], createAddressGuard({ allowedNetworks: [], own: [] })) }),
    ...(providers && { providers: checkProviderSettings(providers, []) }),
  }
  const ref = { environmentId, id: TEMPLATE }
  await putDraft(tx, { ...ref, name: TEMPLATE, tags: [], draft, now: NOW })
  if (isPublished) await publish(tx, { ...ref, number: 1, body: draft, now: NOW })
}

async function furnishUsers(tx: Tx, environment_id: string, { users }: Configuration): Promise<void> {
  await tx
    .insertInto('user')
    .values(users.map(({ id, profile }) => ({ environment_id, id, profile: JSON.stringify(profile) })))
    .execute()
  const tokens = users.flatMap(({ id: user_id, tokens }) =>
    tokens.map(({ kind, providerId, isOver }, index) => {
      const token = `${user_id}-${index}`
      const token_hash = createHash('sha256').update(`${kind}\n${token}`).digest('base64url')
      const expires_at = inMinutes(isOver ? -60 : 60 * 24)
      return {
        environment_id,
        id: `dtk_${token}`,
        user_id,
        kind,
        token,
        token_hash,
        provider_id: providerId,
        status: 'ACTIVE' as const,
        expires_at,
      }
    }),
  )
  if (tokens.length > 0) await tx.insertInto('device_token').values(tokens).execute()
  const choices = users.flatMap(({ id: user_id, choices }) =>
    choices.map(({ topicId, tenantId, status, channels, snoozed }) => ({
      environment_id,
      user_id,
      topic_id: topicId,
      tenant_id: tenantId ?? '',
      status,
      channels: sql<string>`${[...channels]}::channel[]`,
      snoozed_until: snoozed === 'no' ? null : inMinutes(snoozed === 'before' ? -60 : 60 * 24),
    })),
  )
  if (choices.length > 0) await tx.insertInto('preference').values(choices).execute()
  const members = users.flatMap(({ id: user_id, memberships }) =>
    memberships.map(({ tenantId, profile }) => ({
      environment_id,
      tenant_id: tenantId,
      user_id,
      profile: JSON.stringify(profile),
    })),
  )
  if (members.length > 0) await tx.insertInto('tenant_member').values(members).execute()
  const subscriptions = users.flatMap(({ id: user_id, lists }) => lists.map((list_id) => ({ environment_id, list_id, user_id })))
  if (subscriptions.length > 0) await tx.insertInto('list_subscription').values(subscriptions).execute()
}

/** Wherever a limit may count, it has counted as much as the configuration says. */
async function furnishCounts(tx: Tx, environmentId: string, { limits, users, tenants, topics }: Configuration): Promise<void> {
  const userIds = [...users.map(({ id }) => id), 'newcomer']
  const countables = userIds.flatMap((userId) =>
    tenants.flatMap(({ id: tenantId }) => topics.map(({ id: topicId }) => ({ environmentId, userId, tenantId, topicId }))),
  )
  const rows = new Map(
    limits
      .filter(({ used }) => used > 0)
      .flatMap(({ used, ...limit }) =>
        countables.flatMap((one) => countersOf([limit], one, NOW)).map((counter) => ({ counter, used })),
      )
      .map(({ counter: { key, periodStart }, used }) => [
        key,
        { environment_id: environmentId, key, period_start: periodStart, count: used },
      ]),
  )
  if (rows.size > 0)
    await tx
      .insertInto('send_count')
      .values([...rows.values()])
      .execute()
}
