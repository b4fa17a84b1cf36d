import { sql } from 'kysely'
import type { Db, Tx } from './database.ts'

export interface NewInboxMessage {
  readonly environmentId: string
  readonly id: string
  readonly userId: string
  readonly tenantId: string | null
  readonly title: string | null
  readonly preview: string | null
  readonly body: string | null
  readonly actions: readonly { readonly label: string; readonly href: string | null; readonly data: object | null }[]
  readonly data: unknown
  readonly tags: readonly string[]
  readonly createdAt: Date
  /** ISO 8601; null where it stays. */
  readonly expiresAt: string | null
}

export interface InboxCounts {
  readonly total: number
  readonly unread: number
  readonly unopened: number
}

/** Puts messages into inboxes; one that is there already stays as it is. Returns the ids of those that are new. */
export async function insertInboxMessages(tx: Tx, messages: readonly NewInboxMessage[]): Promise<ReadonlySet<string>> {
  if (messages.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    insert into inbox_message (environment_id, id, user_id, tenant_id, title, preview, body, actions, data, tags, created_at,
                               expires_at)
    select "environmentId", id, "userId", "tenantId", title, preview, body, actions, data, tags, "createdAt", "expiresAt"
    from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb)
      as m("environmentId" text, id text, "userId" text, "tenantId" text, title text, preview text, body text, actions jsonb, data jsonb,
           tags text[], "createdAt" timestamptz, "expiresAt" timestamptz)
    order by 1, 2
    on conflict do nothing
    returning id`.execute(tx)
  return new Set(rows.map((row) => row.id))
}

export interface InboxRef {
  readonly environmentId: string
  readonly userId: string
  readonly tenantId: string | null
}

/** Of all that are not archived; the answers stand in the order of the inboxes. */
export async function countInboxes(db: Db | Tx, inboxes: readonly InboxRef[]): Promise<readonly InboxCounts[]> {
  const { rows } = await sql<InboxCounts>`
    select count(m.id)::int as total,
           count(m.id) filter (where m.read_at is null)::int as unread,
           count(m.id) filter (where m.opened_at is null)::int as unopened
    from unnest(${inboxes.map((inbox) => inbox.environmentId)}::text[], ${inboxes.map((inbox) => inbox.userId)}::text[],
                ${inboxes.map((inbox) => inbox.tenantId)}::text[])
      with ordinality as i(environment_id, user_id, tenant_id, n)
    left join inbox_message m
      on m.environment_id = i.environment_id and m.user_id = i.user_id and m.tenant_id is not distinct from i.tenant_id
      and m.archived_at is null and (m.expires_at is null or m.expires_at > now())
    group by i.n order by i.n`.execute(db)
  return rows
}
