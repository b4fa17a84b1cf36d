import { type RawBuilder, sql } from 'kysely'
import type { Tx } from './database.ts'

/** What stands where an address or a user's id stood. */
export const ERASED = '(erased)'

/** A message whose person is gone. */
export interface ErasedMessage {
  readonly id: string
  readonly requestId: string
  readonly jobId: string | null
  readonly tenantId: string | null
  /** It was still to be sent, and is CANCELED now. */
  readonly canceled: boolean
}

/**
 * Takes the jobs of a user's messages from the queue and from whoever holds them: what a worker then learns of such a message
 * is not written, since its job is gone. Waits for a result that is being written. In the order of their ids, like every
 * other who locks jobs.
 */
export async function dropJobsOf(tx: Tx, environmentId: string, userId: string): Promise<void> {
  await sql`
    with held as (
      select id from job
      where payload ->> 'environmentId' = ${environmentId} and payload ->> 'messageId' in (
        select id from message where environment_id = ${environmentId} and user_id = ${userId}
      )
      order by id
      for update
    )
    delete from job where id = any(array(select id from held))`.execute(tx)
}

/** Cancels the user's messages that are still to be sent, and takes the person out of all of them. */
export async function eraseMessages(tx: Tx, environmentId: string, userId: string, now: Date): Promise<readonly ErasedMessage[]> {
  const { rows } = await sql<ErasedMessage>`
    with mine as (
      select id, message_tally(status) = 'pending' as pending
      from message where environment_id = ${environmentId} and user_id = ${userId}
      order by id
      for update
    )
    update message m
    set user_id = null, recipient = ${ERASED}, "to" = '{}', error = null, trace_id = null,
        status = case when mine.pending then 'CANCELED' else m.status end,
        canceled_at = case when mine.pending then ${now} else m.canceled_at end,
        updated_at = case when mine.pending then ${now} else m.updated_at end
    from mine
    where m.environment_id = ${environmentId} and m.id = mine.id
    returning m.id, m.request_id as "requestId", m.job_id as "jobId", m.tenant_id as "tenantId", mine.pending as canceled`.execute(
    tx,
  )
  return rows
}

/** What was planned and rendered for these messages. */
export async function deleteContents(tx: Tx, environmentId: string, messageIds: readonly string[]): Promise<void> {
  await sql`delete from plan where environment_id = ${environmentId} and message_id = any(${messageIds})`.execute(tx)
  await sql`delete from output where environment_id = ${environmentId} and message_id = any(${messageIds})`.execute(tx)
}

/**
 * Deliveries keep their times, statuses and counts of attempts. Their ids are drawn anew, since the old ones are hashes of the
 * address; the provider's own id for it goes too. One that waited is over, one whose call is under way stays unknown.
 */
export async function eraseDeliveries(tx: Tx, environmentId: string, messageIds: readonly string[]): Promise<void> {
  await sql`
    update delivery
    set id = 'dlv_' || left(replace(gen_random_uuid()::text, '-', ''), 27), address = ${ERASED}, reference = null, error = null,
        next_attempt_at = null,
        status = case status when 'ATTEMPTING' then 'UNKNOWN' when 'RETRYING' then 'UNDELIVERABLE' else status end,
        attempts = (
          select coalesce(jsonb_agg(
            attempt.value || jsonb_build_object('error', null, 'outcome', coalesce(attempt.value ->> 'outcome', 'UNKNOWN'))
            order by attempt.ordinality
          ), '[]')
          from jsonb_array_elements(attempts) with ordinality as attempt
        )
    where environment_id = ${environmentId} and message_id = any(${messageIds})`.execute(tx)
}

/** Events stay where they are in the log, without the person and the provider's own id; those of the user's inbox as well. */
export async function eraseEvents(tx: Tx, environmentId: string, userId: string, messageIds: readonly string[]): Promise<void> {
  await sql`
    update event set user_id = null, error = null, detail = detail - 'reference'
    where environment_id = ${environmentId} and message_id = any(${messageIds})`.execute(tx)
  await sql`
    update event set user_id = null, error = null
    where environment_id = ${environmentId} and stream = 'INBOX' and user_id = ${userId}`.execute(tx)
}

/** Events that endpoints were told, or are still to be told, of these messages: without the person and the providers' words. */
export async function eraseWebhooks(tx: Tx, environmentId: string, messageIds: readonly string[]): Promise<void> {
  await sql`
    with held as (
      select id, payload::jsonb as payload, attempts from webhook_delivery
      where environment_id = ${environmentId} and message_id = any(${messageIds})
      order by id
      for update
    ),
    erased as (
      select id, ${withoutErrors(sql`attempts`)} as attempts,
             jsonb_set(payload, '{data}', payload -> 'data' || jsonb_build_object('recipient', ${ERASED}::text)
               || case when payload #> '{data,deliveries}' is null then '{}'
                  else jsonb_build_object('deliveries', ${withoutErrors(sql`payload #> '{data,deliveries}'`)}) end) as payload
      from held
    )
    update webhook_delivery d set payload = erased.payload::json, attempts = erased.attempts
    from erased where d.environment_id = ${environmentId} and d.id = erased.id`.execute(tx)
}

/** A list of what was tried, as JSON. */
const withoutErrors = (list: RawBuilder<unknown>) => sql`(
  select coalesce(jsonb_agg(one.value || '{"error": null}' order by one.ordinality), '[]')
  from jsonb_array_elements(${list}) with ordinality as one
)`

export async function deleteInbox(tx: Tx, environmentId: string, userId: string): Promise<void> {
  await tx.deleteFrom('inbox_message').where('environment_id', '=', environmentId).where('user_id', '=', userId).execute()
}

export async function eraseDeadLetters(tx: Tx, environmentId: string, messageIds: readonly string[]): Promise<void> {
  await sql`
    update dead_letter set error = 'Its user was erased.'
    where environment_id = ${environmentId} and message_id = any(${messageIds})`.execute(tx)
}

/** A definition, or what was given for one, that says nothing to anybody. */
const emptied = (definition: RawBuilder<unknown>) => sql`
  (${definition} - 'channels' - 'providers') || '{"content": {"title": null, "body": null}, "data": {}}'
    || jsonb_build_object('metadata', coalesce(nullif(${definition} -> 'metadata', 'null'), '{}') || '{"traceId": null}')`

/**
 * Empties those of these bulk jobs of whose users nobody is left, and their requests. One that has not run is canceled: whoever
 * was added to it from now on would be sent nothing. Lock the jobs before, and take the users out.
 */
export async function emptyBulkJobs(tx: Tx, environmentId: string, jobIds: readonly string[], now: Date): Promise<void> {
  if (jobIds.length === 0) return
  await sql`
    with emptied as (
      update bulk_job j
      set given = ${emptied(sql`j.given`)}, definition = ${emptied(sql`j.definition`)},
          status = case status when 'CREATED' then 'CANCELED' else status end,
          error = case status when 'CREATED' then ${NOBODY_LEFT} else error end,
          completed_at = case status when 'CREATED' then ${now} else completed_at end,
          updated_at = case status when 'CREATED' then ${now} else updated_at end
      where environment_id = ${environmentId} and id = any(${[...jobIds]}::text[])
        and not exists (
          select from bulk_user u
          where u.environment_id = j.environment_id and u.job_id = j.id and u."to" is not null
        )
      returning request_id
    )
    update request r set definition = ${emptied(sql`r.definition`)}
    from emptied where r.environment_id = ${environmentId} and r.id = emptied.request_id`.execute(tx)
}

const NOBODY_LEFT = 'Everybody in it was erased before it ran.'

/**
 * Empties what was said to people of whom nobody is left: requests that named persons only, all of them erased. One that
 * others share, or that went to a group, stays as it is: it was not written for this user.
 */
export async function emptyRequests(tx: Tx, environmentId: string, requestIds: readonly string[]): Promise<void> {
  await sql`
    update request r
    set definition = ${emptied(sql`r.definition`)}
    where r.environment_id = ${environmentId} and r.id = any(${requestIds})
      and r.expanded and r.expansion is null and jsonb_array_length(coalesce(r.definition -> 'groups', '[]')) = 0
      and not exists (
        select from message m
        where m.environment_id = r.environment_id and m.request_id = r.id
          and (m.user_id is not null or m.recipient <> ${ERASED})
      )`.execute(tx)
}
