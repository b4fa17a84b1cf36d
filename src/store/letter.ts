import { type Selectable, sql } from 'kysely'
import type { ApiKeyMode, Channel, DeliveryStatus, MessageStatus, Provider } from '../generated/tables.ts'
import type { Db } from './database.ts'
import { readProviders } from './provider.ts'

/** A message with everything its journey needs, as one read brings it. */
export interface LetterRow {
  readonly environmentId: string
  readonly id: string
  readonly requestId: string
  readonly status: MessageStatus
  readonly userId: string | null
  readonly tenantId: string | null
  readonly jobId: string | null
  readonly tags: readonly string[]
  readonly to: Record<string, unknown>
  readonly enqueuedAt: Date
  readonly definition: Record<string, unknown>
  readonly mode: ApiKeyMode
  readonly profile: Record<string, unknown> | null
  readonly tokens: readonly TokenRow[] | null
  readonly deliveries: readonly DeliveryRow[] | null
}

export interface TokenRow {
  readonly id: string
  readonly kind: string
  readonly token: string
  readonly tokenHash: string
  readonly keys: string | null
  readonly providerId: string | null
  readonly expiresAt: string | null
}

export interface DeliveryRow {
  readonly id: string
  readonly channel: Channel
  readonly providerId: string
  readonly address: string
  readonly status: DeliveryStatus
  readonly startedAt: string
  readonly nextAttemptAt: string | null
  /** As they were written. */
  readonly attempts: readonly unknown[]
}

export interface MessageRef {
  readonly environmentId: string
  readonly messageId: string
}

/** Reads messages, with the accounts of their environments, in two statements whatever their number. */
export async function readLetters(
  db: Db,
  refs: readonly MessageRef[],
): Promise<{ letters: ReadonlyMap<string, LetterRow>; accounts: readonly Selectable<Provider>[] }> {
  const [{ rows }, accounts] = await Promise.all([
    letterQuery(refs).execute(db),
    readProviders(db, [...new Set(refs.map((ref) => ref.environmentId))]),
  ])
  return { letters: new Map(rows.map((row) => [row.id, row])), accounts }
}

function letterQuery(refs: readonly MessageRef[]) {
  return sql<LetterRow>`
    select m.environment_id as "environmentId", m.id, m.request_id as "requestId", m.status, m.user_id as "userId",
           m.tenant_id as "tenantId", m.job_id as "jobId", m.tags, m."to", m.enqueued_at as "enqueuedAt",
           r.definition, r.mode, u.profile, t.tokens, d.deliveries
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.messageId)}::text[]) as ref(environment_id, id)
    join message m on m.environment_id = ref.environment_id and m.id = ref.id
    join request r on r.environment_id = m.environment_id and r.id = m.request_id
    left join "user" u on u.environment_id = m.environment_id and u.id = m.user_id
    left join lateral (
      select jsonb_agg(jsonb_build_object(
        'id', id, 'kind', kind, 'token', token, 'tokenHash', token_hash, 'keys', keys, 'providerId', provider_id, 'expiresAt', expires_at
      ) order by id) as tokens
      from device_token
      where environment_id = m.environment_id and user_id = m.user_id and status = 'ACTIVE'
    ) t on m.user_id is not null
    left join lateral (
      select jsonb_agg(jsonb_build_object(
        'id', d.id, 'channel', d.channel, 'providerId', d.provider_id, 'status', d.status, 'startedAt', d.started_at,
        'address', d.address, 'nextAttemptAt', d.next_attempt_at,
        'attempts', d.attempts
      ) order by d.started_at, d.id) as deliveries
      from delivery d where d.environment_id = m.environment_id and d.message_id = m.id
    ) d on true`
}
