import { randomBytes } from 'node:crypto'
import { badInput, notFound, Refusal } from '../errors.ts'
import { release } from '../queue/hold.ts'
import type { Line } from '../queue/kinds.ts'
import {
  countEndpoints,
  deleteEndpoint,
  endpointIsEnabled,
  keepEndpointSecrets,
  lockDelivery,
  lockEndpointSecrets,
  reopenDelivery,
  runDeliveryNow,
  runEndpointNow,
  upsertEndpoint,
} from '../store/webhook.ts'
import type { Command, Scope, Vault } from './command.ts'
import { durationMs } from './duration.ts'
import { checkSlug } from './id.ts'

/** What an endpoint can ask for. */
const WEBHOOK_EVENTS: readonly string[] = ['message:updated']

const MOST_DESCRIPTION = 1_000
/** Of an environment: each change of a message writes an event for each of them, in the transaction of that change. */
const MOST_ENDPOINTS = 50
/** Standard Webhooks 1.0 asks for 24 to 64 bytes. */
const SECRET_BYTES = 32
const DAY_MS = 86_400_000
const LONGEST_OVERLAP_MS = 7 * DAY_MS
/** What URL parsers drop, or take for something else. */
const AMBIGUOUS = /[\s\\\p{Cc}]/u
/** Each signs every call, in one header. */
const MOST_SECRETS = 5
/** What waits because its endpoint rests after failures waits no longer (delivery/webhook-call.ts). */
const LONGEST_WAIT_MS = 120_000

export interface PutWebhookEndpointInput {
  readonly id: string
  readonly url: string
  readonly events: readonly string[]
  readonly enabled: boolean
  readonly description?: string | null
}

/** secret: only where the call made one. */
export interface PutWebhookEndpoint {
  readonly id: string
  readonly secret: string | null
}

/** A secret as it is kept. until: it signs no more from then on; null: it is the one in use. */
interface KeptSecret {
  readonly secret: string
  readonly until: string | null
}

/**
 * Makes an endpoint, with a secret, or replaces it: its secret stays, whatever becomes of its URL, and that it failed is
 * forgotten: what waits since it rests, and what is due soon anyway, is called for at once. The URL is one that may be called by
 * whoever names it (channels/address.ts), and is judged again at each call.
 */
export const putWebhookEndpoint: Command<PutWebhookEndpointInput, PutWebhookEndpoint> = async (scope, input) => {
  const { environmentId } = scope.actor
  checkSlug(input.id, ['id'])
  const url = checkUrl(scope, input.url)
  const events = checkEvents(input.events)
  const secret = newSecret()
  const description = checkDescription(input.description ?? null)
  // Jobs and deliveries are locked before endpoints, by all who lock several of them.
  const line = lineOfEndpoint(environmentId, input.id)
  const { fairnessKey } = line
  if (input.enabled) await runEndpointNow(scope.tx, { environmentId, fairnessKey, withinMs: LONGEST_WAIT_MS, now: scope.now })
  const isNew = await upsertEndpoint(scope.tx, {
    environment_id: environmentId,
    id: input.id,
    url,
    events,
    enabled: input.enabled,
    description,
    secrets: seal(scope.vault, environmentId, input.id, [{ secret, until: null }]),
    updated_at: scope.now,
  })
  if (isNew && (await countEndpoints(scope.tx, environmentId)) > MOST_ENDPOINTS) {
    throw new Refusal('CONFLICT', `An environment has at most ${MOST_ENDPOINTS} webhook endpoints: delete one first.`)
  }
  await release(scope.tx, line)
  return { id: input.id, secret: isNew ? secret : null }
}

/** With its deliveries: what waits is not delivered any more. False where there was none. */
export const deleteWebhookEndpoint: Command<{ id: string }, boolean> = async ({ tx, actor }, { id }) => {
  const wasThere = await deleteEndpoint(tx, actor.environmentId, id)
  await release(tx, lineOfEndpoint(actor.environmentId, id))
  return wasThere
}

/**
 * A new secret. Those before it sign beside it for the overlap (a day where none is given), unless their own ends sooner; of
 * very many rotations at once the oldest sign no more.
 */
export const rotateWebhookSecret: Command<{ id: string; overlap?: string | null }, PutWebhookEndpoint> = async (scope, input) => {
  const { tx, vault, now } = scope
  const { environmentId } = scope.actor
  const overlapMs = checkOverlap(input.overlap ?? null)
  const sealed = await lockEndpointSecrets(tx, environmentId, input.id)
  if (sealed === null) throw notFound('webhook endpoint', input.id)
  const end = new Date(now.getTime() + overlapMs)
  const before = overlapMs === 0 ? [] : unexpired(open(vault, environmentId, input.id, sealed), now)
  const secret = newSecret()
  const kept = [{ secret, until: null }, ...before.map((old) => ({ ...old, until: sooner(old.until, end) }))]
  await keepEndpointSecrets(tx, environmentId, input.id, seal(vault, environmentId, input.id, kept.slice(0, MOST_SECRETS)), now)
  return { id: input.id, secret }
}

/**
 * Has the endpoint called again for an event, under the same id and from the first of the tries on; one that still waits for
 * a try is called now.
 */
export const resendWebhookDelivery: Command<{ id: string }, { id: string }> = async (scope, { id }) => {
  const { tx, actor, now } = scope
  const { environmentId } = actor
  const delivery = await lockDelivery(tx, environmentId, id)
  if (delivery === null) throw notFound('webhook delivery', id)
  const { endpointId } = delivery
  if (!(await endpointIsEnabled(tx, environmentId, endpointId))) {
    throw new Refusal('CONFLICT', `The webhook endpoint '${endpointId}' is disabled: put it with 'enabled: true' first.`)
  }
  const line = lineOfEndpoint(environmentId, endpointId)
  const { fairnessKey } = line
  if (delivery.status === 'PENDING') {
    await runDeliveryNow(tx, { environmentId, id, fairnessKey, now })
    await release(tx, line)
    return { id }
  }
  await reopenDelivery(tx, environmentId, id, now)
  scope.enqueue({
    kind: 'webhook',
    payload: { environmentId, deliveryId: id, since: delivery.attempts },
    fairnessKey,
  })
  await release(tx, line)
  return { id }
}

/** What waits for an endpoint. The trigger that enqueues the job of an event names the same (prisma/migrations, tell_endpoints). */
export function lineOfEndpoint(environmentId: string, endpointId: string): Line {
  return { lane: 'webhook', fairnessKey: `${environmentId}\nwebhook\n${endpointId}` }
}

/** The secrets that sign a call at this moment, the newest first. @throws where they do not open */
export function webhookSecrets(
  vault: Pick<Vault, 'open'>,
  endpoint: { readonly environmentId: string; readonly id: string; readonly secrets: string },
  now: Date,
): readonly string[] {
  const kept = open(vault, endpoint.environmentId, endpoint.id, endpoint.secrets)
  return unexpired(kept, now).map(({ secret }) => secret)
}

function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
}

const placeOf = (environmentId: string, id: string) => `webhook-endpoint/${environmentId}/${id}`

function seal(vault: Vault, environmentId: string, id: string, secrets: readonly KeptSecret[]): string {
  return vault.seal(JSON.stringify(secrets), placeOf(environmentId, id))
}

function open(vault: Pick<Vault, 'open'>, environmentId: string, id: string, sealed: string): readonly KeptSecret[] {
  return JSON.parse(vault.open(sealed, placeOf(environmentId, id))) as KeptSecret[]
}

function unexpired(secrets: readonly KeptSecret[], now: Date): readonly KeptSecret[] {
  return secrets.filter(({ until }) => until === null || new Date(until) > now)
}

function sooner(until: string | null, end: Date): string {
  return until !== null && new Date(until) < end ? until : end.toISOString()
}

/** The URL as it is called and shown: what a browser makes of it, which leaves nothing to be read in two ways. */
function checkUrl({ guard }: Pick<Scope, 'guard'>, text: string): string {
  if (AMBIGUOUS.test(text)) throw badInput(['input', 'url'], 'The URL must not hold blanks, backslashes or control characters.')
  const url = URL.parse(text)?.href ?? text
  const refused = guard.refuseUrl(url)
  if (refused !== null) throw badInput(['input', 'url'], refused)
  return url
}

function checkEvents(events: readonly string[]): string[] {
  if (events.length === 0) throw badInput(['input', 'events'], "'events' must name at least one type of event.")
  const index = events.findIndex((event) => !WEBHOOK_EVENTS.includes(event))
  if (index >= 0) {
    const known = WEBHOOK_EVENTS.join(', ')
    throw badInput(['input', 'events', index], `'${events[index]!.slice(0, 64)}' is no type of event: there is ${known}.`)
  }
  return [...new Set(events)]
}

function checkDescription(description: string | null): string | null {
  if (description === null || description.length <= MOST_DESCRIPTION) return description
  throw badInput(['input', 'description'], `'description' must be at most ${MOST_DESCRIPTION} characters.`)
}

function checkOverlap(overlap: string | null): number {
  const ms = overlap === null ? DAY_MS : durationMs(overlap, ['overlap'])
  if (ms < 0 || ms > LONGEST_OVERLAP_MS) throw badInput(['overlap'], "'overlap' must be from nothing to seven days (P7D).")
  return ms
}
