import { sql } from 'kysely'
import type { WebhookDeliveryStatus } from '../generated/tables.ts'
import type { Db } from './database.ts'
import type { WebhookAttempt } from './webhook.ts'

export interface WebhookDeliveryRow {
  readonly id: string
  readonly event: string
  readonly payload: unknown
  readonly status: WebhookDeliveryStatus
  readonly attempts: readonly WebhookAttempt[]
  readonly createdAt: Date
  readonly nextAttemptAt: Date | null
}

export interface WebhookReads {
  /** An endpoint's, newest first, after a place (the time and id of the last one seen). status: null for all. */
  readWebhookDeliveries(
    of: { readonly environmentId: string; readonly endpointId: string; readonly status: WebhookDeliveryStatus | null },
    after: { readonly at: string; readonly id: string } | null,
    take: number,
  ): Promise<readonly WebhookDeliveryRow[]>
  readWebhookDelivery(environmentId: string, id: string): Promise<WebhookDeliveryRow | null>
}

export function createWebhookReads(db: Db): WebhookReads {
  return {
    async readWebhookDeliveries({ environmentId, endpointId, status }, after, take) {
      const { rows } = await sql<WebhookDeliveryRow>`
        select ${COLUMNS} from webhook_delivery
        where environment_id = ${environmentId} and endpoint_id = ${endpointId} and ${inStatus(status)}
          and ${after === null ? sql`true` : sql`(created_at, id) < (${after.at}::timestamptz, ${after.id})`}
        order by created_at desc, id desc limit ${take}`.execute(db)
      return rows
    },
    async readWebhookDelivery(environmentId, id) {
      const { rows } = await sql<WebhookDeliveryRow>`
        select ${COLUMNS} from webhook_delivery where environment_id = ${environmentId} and id = ${id}`.execute(db)
      return rows[0] ?? null
    },
  }
}

/** What waits in a line that is held (queue/hold.ts) is not called before that is over. */
const HELD_UNTIL = sql`(
  select until from held_line
  where lane = 'webhook' and fairness_key = environment_id || E'\\nwebhook\\n' || endpoint_id and until > now()
)`
const IS_UNDER_WAY = sql`attempts <> '[]' and attempts -> -1 ->> 'endedAt' is null`

const COLUMNS = sql`
  id, event, payload, status, attempts, created_at as "createdAt",
  case when status <> 'PENDING' or (${IS_UNDER_WAY}) then next_attempt_at else greatest(next_attempt_at, ${HELD_UNTIL}) end
    as "nextAttemptAt"`

/** In the words of the index webhook_delivery_open, where it can be of use. */
function inStatus(status: WebhookDeliveryStatus | null) {
  if (status === null) return sql`true`
  return status === 'DELIVERED' ? sql`status = 'DELIVERED'` : sql`status <> 'DELIVERED' and status = ${status}`
}
