import { sql } from 'kysely'
import type { Db } from './database.ts'
import type { InboxCounts, InboxRef } from './inbox.ts'

/** Which messages of an inbox are meant. archived: null means both; tags: any of them. */
export interface InboxFilter {
  readonly status?: 'READ' | 'UNREAD' | null
  readonly archived?: boolean | null
  readonly tags?: readonly string[] | null
  readonly from?: Date | null
}

export interface InboxRow {
  readonly id: string
  readonly userId: string
  readonly tenantId: string | null
  readonly title: string | null
  readonly preview: string | null
  readonly body: string | null
  readonly actions: readonly unknown[]
  readonly data: unknown
  readonly tags: readonly string[]
  readonly createdAt: Date
  readonly readAt: Date | null
  readonly openedAt: Date | null
  readonly archivedAt: Date | null
  readonly clickedAt: Date | null
  readonly expiresAt: Date | null
}

export interface InboxReads {
  /** Newest first, after a place (the created_at and id of the last row seen). */
  readInbox(
    inbox: InboxRef,
    filter: InboxFilter,
    after: { at: Date; id: string } | null,
    take: number,
  ): Promise<readonly InboxRow[]>
  readInboxMessages(environmentId: string, userId: string, ids: readonly string[]): Promise<readonly InboxRow[]>
  countInbox(inbox: InboxRef, filter: InboxFilter): Promise<InboxCounts>
}

export function createInboxReads(db: Db): InboxReads {
  return {
    async readInbox(inbox, filter, after, take) {
      const { rows } = await sql<InboxRow>`
        select ${COLUMNS} from inbox_message
        where ${within(inbox, filter)}
          and (${after === null} or (created_at, id) < (${after?.at ?? null}::timestamptz, ${after?.id ?? null}))
        order by created_at desc, id desc limit ${take}`.execute(db)
      return rows
    },
    async readInboxMessages(environmentId, userId, ids) {
      const { rows } = await sql<InboxRow>`
        select ${COLUMNS} from inbox_message
        where environment_id = ${environmentId} and user_id = ${userId} and id = any(${[...ids]}::text[])
          and (expires_at is null or expires_at > now())`.execute(db)
      return rows
    },
    async countInbox(inbox, filter) {
      const { rows } = await sql<InboxCounts>`
        select count(*)::int as total,
               count(*) filter (where read_at is null)::int as unread,
               count(*) filter (where opened_at is null)::int as unopened
        from inbox_message where ${within(inbox, filter)}`.execute(db)
      return rows[0]!
    },
  }
}

const COLUMNS = sql`
  id, user_id as "userId", tenant_id as "tenantId", title, preview, body, actions, data, tags, created_at as "createdAt",
  read_at as "readAt", opened_at as "openedAt", archived_at as "archivedAt", clicked_at as "clickedAt", expires_at as "expiresAt"`

function within(inbox: InboxRef, filter: InboxFilter) {
  const tags = filter.tags ? [...filter.tags] : null
  return sql`
    environment_id = ${inbox.environmentId} and user_id = ${inbox.userId}
    and tenant_id is not distinct from ${inbox.tenantId}
    and (expires_at is null or expires_at > now())
    and (${filter.status ?? null}::text is null or (read_at is null) = (${filter.status ?? null}::text = 'UNREAD'))
    and (${filter.archived ?? null}::boolean is null or (archived_at is not null) = ${filter.archived ?? null}::boolean)
    and (${tags}::text[] is null or tags && ${tags}::text[])
    and (${filter.from ?? null}::timestamptz is null or created_at >= ${filter.from ?? null}::timestamptz)`
}
