import { type Insertable, sql } from 'kysely'
import type { WebhookDeliveryStatus, WebhookEndpoint } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'

/**
 * Who locks several rows of these tables takes deliveries before endpoints, and each in the order of their ids: two who do
 * so cannot deadlock.
 */

/**
 * Puts the whole endpoint but for its secrets, which stay where it has some. Each time `updated_at` becomes another: what is
 * learned of an endpoint holds for one of them. True: it is new.
 */
export async function upsertEndpoint(tx: Tx, row: Insertable<WebhookEndpoint>): Promise<boolean> {
  const { environment_id, id, secrets, ...rest } = row
  const put = await tx
    .insertInto('webhook_endpoint')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['environment_id', 'id']).doUpdateSet({
        ...rest,
        description: rest.description ?? null,
        disabled_reason: null,
        failing_since: null,
        updated_at: sql`greatest(excluded.updated_at, webhook_endpoint.updated_at + interval '1 millisecond')`,
      }),
    )
    .returning('secrets')
    .executeTakeFirstOrThrow()
  return put.secrets === secrets
}

/** How many an environment has. Those of one transaction after another: nobody else's is left out. */
export async function countEndpoints(tx: Tx, environmentId: string): Promise<number> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`webhook-endpoint/${environmentId}`}, 0))`.execute(tx)
  const { rows } = await sql<{ count: number }>`
    select count(*)::int from webhook_endpoint where environment_id = ${environmentId}`.execute(tx)
  return rows[0]!.count
}

/** With its deliveries. False where there was none. */
export async function deleteEndpoint(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  await sql`
    with held as (
      select id from webhook_delivery where environment_id = ${environmentId} and endpoint_id = ${id} order by id for update
    )
    delete from webhook_delivery d using held where d.environment_id = ${environmentId} and d.id = held.id`.execute(tx)
  const { numAffectedRows } = await sql`
    delete from webhook_endpoint where environment_id = ${environmentId} and id = ${id}`.execute(tx)
  return numAffectedRows === 1n
}

/** Null where there is no such endpoint. */
export async function lockEndpointSecrets(tx: Tx, environmentId: string, id: string): Promise<string | null> {
  const { rows } = await sql<{ secrets: string }>`
    select secrets from webhook_endpoint where environment_id = ${environmentId} and id = ${id} for no key update`.execute(tx)
  return rows[0]?.secrets ?? null
}

export async function keepEndpointSecrets(tx: Tx, environmentId: string, id: string, secrets: string, now: Date): Promise<void> {
  await sql`
    update webhook_endpoint set secrets = ${secrets}, updated_at = ${now}
    where environment_id = ${environmentId} and id = ${id}`.execute(tx)
}

export async function endpointIsEnabled(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  const { rows } = await sql`
    select from webhook_endpoint where environment_id = ${environmentId} and id = ${id} and enabled`.execute(tx)
  return rows.length > 0
}

/** The environments in which an endpoint listens. */
export async function readListeningEnvironments(db: Db): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select distinct environment_id as id from webhook_endpoint where enabled`.execute(db)
  return new Set(rows.map(({ id }) => id))
}

/** attempts: how many there were. */
export interface LockedDelivery {
  readonly endpointId: string
  readonly status: WebhookDeliveryStatus
  readonly attempts: number
}

export async function lockDelivery(tx: Tx, environmentId: string, id: string): Promise<LockedDelivery | null> {
  const { rows } = await sql<LockedDelivery>`
    select endpoint_id as "endpointId", status, jsonb_array_length(attempts) as attempts
    from webhook_delivery where environment_id = ${environmentId} and id = ${id}
    for update`.execute(tx)
  return rows[0] ?? null
}

/** It is to be called for again. */
export async function reopenDelivery(tx: Tx, environmentId: string, id: string, now: Date): Promise<void> {
  await sql`
    update webhook_delivery set status = 'PENDING', next_attempt_at = ${now}
    where environment_id = ${environmentId} and id = ${id}`.execute(tx)
}

/** Of what a put endpoint starts anew with, so much is called for at once; the rest follows when its time comes. */
const MOST_AT_ONCE = 100

/** What is due soon is due now: it may wait for no more than that the endpoint, as it was before, rests. */
export async function runEndpointNow(
  tx: Tx,
  { environmentId, fairnessKey, withinMs, now }: { environmentId: string; fairnessKey: string; withinMs: number; now: Date },
): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    with waiting as (
      select id from job
      where lane = 'webhook' and fairness_key = ${fairnessKey} and holder is null
        and run_at > now() and run_at < now() + ${withinMs}::float8 * interval '1 millisecond'
      order by run_at, id limit ${MOST_AT_ONCE} for update skip locked
    )
    update job set run_at = date_trunc('milliseconds', now()) where id = any(array(select id from waiting))
    returning payload ->> 'deliveryId' as id`.execute(tx)
  await lockWebhooks(
    tx,
    rows.map(({ id }) => ({ environmentId, id })),
  )
  await sql`
    update webhook_delivery set next_attempt_at = ${now}
    where environment_id = ${environmentId} and id = any(${rows.map(({ id }) => id)}) and status = 'PENDING'`.execute(tx)
}

/** Has a job that waits for its next try run at once. One in somebody's hands is being tried already. */
export async function runDeliveryNow(
  tx: Tx,
  { environmentId, id, fairnessKey, now }: { environmentId: string; id: string; fairnessKey: string; now: Date },
): Promise<void> {
  // Whoever holds the job waits for the delivery next, so this one waits for nobody.
  const { rows } = await sql`
    with waiting as (
      select id from job
      where lane = 'webhook' and fairness_key = ${fairnessKey} and holder is null and payload ->> 'deliveryId' = ${id}
      order by id for update skip locked
    )
    update job set run_at = date_trunc('milliseconds', now()) where id = any(array(select id from waiting))
    returning id`.execute(tx)
  if (rows.length > 0) await reopenDelivery(tx, environmentId, id, now)
}

// ── Calls ────────────────────────────────────────────────────────────────────

/** One call, as it is kept with its delivery: as a message's own deliveries keep theirs. */
export interface WebhookAttempt {
  readonly number: number
  readonly fence: number
  readonly startedAt: string
  readonly endedAt: string | null
  readonly outcome: string | null
  readonly code: string | null
  readonly error: string | null
}

/** A provider's turn with the message, as its events tell of it. Times are ISO 8601. */
export interface ToldDelivery {
  readonly channel: string
  readonly providerId: string
  readonly status: string
  readonly startedAt: string
  readonly sentAt: string | null
  readonly deliveredAt: string | null
  readonly openedAt: string | null
  readonly clickedAt: string | null
  readonly error: string | null
}

/** What is to be delivered, and where to. endpoint: null where it was deleted. */
export interface DueWebhook {
  readonly status: WebhookDeliveryStatus
  readonly event: string
  readonly attempts: readonly WebhookAttempt[]
  /** The very text of the body. */
  readonly body: string
  /** The message's, oldest first, as they are now; null where the body has them already. */
  readonly deliveries: readonly ToldDelivery[] | null
  readonly endpoint: DueEndpoint | null
}

/** version: another after each change of its settings. isFailing: its last call, by whichever process, failed. */
export interface DueEndpoint {
  readonly id: string
  readonly version: string
  readonly url: string
  readonly enabled: boolean
  readonly isFailing: boolean
  readonly secrets: string
}

/** As the API writes instants. */
const instant = (column: string) => sql`to_char(${sql.ref(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

export async function readDueWebhook(db: Db, environmentId: string, id: string): Promise<DueWebhook | null> {
  const { rows } = await sql<DueWebhook>`
    /* prepared: webhook */
    select d.status, d.event, d.attempts, d.payload::text as body,
           case when d.payload #> '{data,deliveries}' is null then (
             select coalesce(json_agg(json_build_object(
               'channel', m.channel, 'providerId', m.provider_id, 'status', m.status, 'startedAt', ${instant('m.started_at')},
               'sentAt', ${instant('m.sent_at')}, 'deliveredAt', ${instant('m.delivered_at')},
               'openedAt', ${instant('m.opened_at')}, 'clickedAt', ${instant('m.clicked_at')}, 'error', m.error
             ) order by m.started_at, m.id), '[]')
             from delivery m where m.environment_id = d.environment_id and m.message_id = d.message_id
           ) end as deliveries,
           case when e.id is not null
             then json_build_object('id', e.id, 'version', e.updated_at, 'url', e.url, 'enabled', e.enabled, 'isFailing', e.failing_since is not null,
                                    'secrets', e.secrets) end as endpoint
    from webhook_delivery d
    left join webhook_endpoint e on e.environment_id = d.environment_id and e.id = d.endpoint_id
    where d.environment_id = ${environmentId} and d.id = ${id}`.execute(db)
  return rows[0] ?? null
}

/** A delivery, by its key. */
export interface WebhookKey {
  readonly environmentId: string
  readonly id: string
}

/**
 * Locks all the deliveries that a transaction is about to change, in one order: changed some and then others, they would be
 * locked in two, and who deletes an endpoint or erases a user at the same time would deadlock with it.
 */
export async function lockWebhooks(tx: Tx, keys: readonly WebhookKey[]): Promise<void> {
  if (keys.length === 0) return
  await sql`
    select from webhook_delivery d
    join jsonb_to_recordset(${JSON.stringify(keys.map(({ environmentId, id }) => ({ environmentId, id })))}::jsonb)
      as k("environmentId" text, id text) on d.environment_id = k."environmentId" and d.id = k.id
    order by d.environment_id, d.id
    for update of d`.execute(tx)
}

/** A call that is about to be made. written: the body with the message's deliveries, put in the place of `body`. */
export interface BegunWebhook extends WebhookKey {
  readonly attempts: readonly WebhookAttempt[]
  readonly body: string
  readonly written: string | null
}

/**
 * Notes calls before they are made; their deliveries are locked. Those whose delivery's id is not in the answer are not to be made: it was settled or
 * deleted meanwhile, or its body became another (its user was erased).
 */
export async function beginWebhooks(tx: Tx, begun: readonly BegunWebhook[]): Promise<ReadonlySet<string>> {
  if (begun.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    update webhook_delivery d
    set attempts = b.attempts, next_attempt_at = null,
        payload = case when b.written is null then d.payload else b.written::json end
    from jsonb_to_recordset(${JSON.stringify(begun)}::jsonb)
      as b("environmentId" text, id text, attempts jsonb, body text, written text)
    where d.environment_id = b."environmentId" and d.id = b.id and d.status = 'PENDING' and d.payload::text = b.body
    returning d.id`.execute(tx)
  return new Set(rows.map(({ id }) => id))
}

/** What a call came to, of a delivery that is locked. attempts: the whole list. */
export interface EndedWebhook extends WebhookKey {
  readonly status: WebhookDeliveryStatus
  readonly attempts: readonly WebhookAttempt[]
  readonly nextAttemptAt: Date | null
}

export async function endWebhooks(tx: Tx, ended: readonly EndedWebhook[]): Promise<void> {
  if (ended.length === 0) return
  await sql`
    update webhook_delivery d
    set status = e.status, next_attempt_at = e."nextAttemptAt", attempts = e.attempts
    from jsonb_to_recordset(${JSON.stringify(ended)}::jsonb)
      as e("environmentId" text, id text, status webhook_delivery_status, attempts jsonb, "nextAttemptAt" timestamptz)
    where d.environment_id = e."environmentId" and d.id = e.id`.execute(tx)
}

/** Deliveries whose endpoint is gone; they are locked. */
export async function dropWebhooks(tx: Tx, gone: readonly WebhookKey[]): Promise<void> {
  if (gone.length === 0) return
  await sql`
    delete from webhook_delivery d
    using jsonb_to_recordset(${JSON.stringify(gone)}::jsonb) as g("environmentId" text, id text)
    where d.environment_id = g."environmentId" and d.id = g.id
      and not exists (select from webhook_endpoint e where e.environment_id = d.environment_id and e.id = d.endpoint_id)`.execute(
    tx,
  )
}

/** What a call says of its endpoint. */
export interface EndpointNews {
  readonly environmentId: string
  readonly id: string
  /** That was called: of another nothing is said. */
  readonly version: string
  readonly at: Date
  readonly worked: boolean
  /** It asked for no more calls, and is disabled for this reason. */
  readonly disable: string | null
}

export interface DisabledEndpoint {
  readonly environmentId: string
  readonly id: string
  readonly reason: string
}

/** What becomes of all the jobs of an endpoint that wait. */
export interface EndpointLine {
  readonly environmentId: string
  readonly id: string
  /** Of one that was put again meanwhile nothing is held. */
  readonly version: string
  /** They are not claimed for so long; null: they are, from now on. */
  readonly heldMs: number | null
}

/** Those of them whose endpoint was not put again, nor deleted, since it was read, and whose line is not held for longer already. */
export async function linesToMove<L extends EndpointLine & { readonly lane: string; readonly fairnessKey: string }>(
  tx: Tx,
  lines: readonly L[],
): Promise<readonly L[]> {
  const asked = lines.map((line, place) => ({ ...line, place }))
  const { rows } = await sql<{ place: number }>`
    select n.place from webhook_endpoint e
    join jsonb_to_recordset(${JSON.stringify(asked)}::jsonb)
      as n("environmentId" text, id text, version timestamptz, lane text, "fairnessKey" text, "heldMs" float8, place int)
      on e.environment_id = n."environmentId" and e.id = n.id and e.updated_at = n.version
    left join held_line h on h.lane = n.lane and h.fairness_key = n."fairnessKey"
    where n."heldMs" is null or h.until is null or h.until < now() + n."heldMs" * interval '1 millisecond'`.execute(tx)
  const found = new Set(rows.map(({ place }) => place))
  return lines.filter((_, place) => found.has(place))
}

/** Of the time of the last failure so much may be missing, so that not every failure changes the row. */
const FAILED_TO_MS = 3_600_000

/**
 * Notes since when endpoints fail, and disables those that have for too long. Rows change only where something is new.
 *
 * @param tooLong in milliseconds, and the reason that is given then. apartMs: a failure that comes so long after the last one is the
 * first of others
 */
export async function tellOfEndpoints(
  tx: Tx,
  news: readonly EndpointNews[],
  tooLong: { readonly ms: number; readonly apartMs: number; readonly reason: string },
): Promise<readonly DisabledEndpoint[]> {
  if (news.length === 0) return []
  const before = (ms: number) => sql`n.at - ${ms}::float8 * interval '1 millisecond'`
  const { rows } = await sql<DisabledEndpoint>`
    with news as (
      select "environmentId", id, version, max(at) as at, bool_or(worked) as worked, max(disable) as disable
      from jsonb_to_recordset(${JSON.stringify(news)}::jsonb)
        as n("environmentId" text, id text, version timestamptz, at timestamptz, worked boolean, disable text)
      group by 1, 2, 3
    ),
    held as (
      select e.environment_id, e.id, n.at, n.worked, n.disable,
             case when e.failed_at > ${before(tooLong.apartMs)} then e.failing_since end as since
      from webhook_endpoint e join news n on e.environment_id = n."environmentId" and e.id = n.id and e.updated_at = n.version
      where e.enabled and (
        n.disable is not null
        or case when n.worked then e.failing_since is not null else coalesce(e.failed_at < ${before(FAILED_TO_MS)}, true) end
        or e.failing_since < ${before(tooLong.ms)}
      )
      order by e.environment_id, e.id
      for no key update of e
    ),
    judged as (
      select *, coalesce(disable, case when not worked and since < at - ${tooLong.ms}::float8 * interval '1 millisecond'
                                       then ${tooLong.reason}::text end) as reason
      from held
    ),
    told as (
      update webhook_endpoint e
      set failing_since = case when j.worked then null else coalesce(j.since, j.at) end,
          failed_at = case when j.worked then null else j.at end,
          enabled = j.reason is null, disabled_reason = j.reason,
          updated_at = case when j.reason is null then e.updated_at else j.at end
      from judged j where e.environment_id = j.environment_id and e.id = j.id
      returning e.environment_id as "environmentId", e.id, j.reason
    )
    select * from told where reason is not null`.execute(tx)
  return rows
}
