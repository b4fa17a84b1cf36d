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

const COLUMNS = sql`id, event, payload, status, attempts, created_at as "createdAt", next_attempt_at as "nextAttemptAt"`

/** In the words of the index webhook_delivery_open, where it can be of use. */
function inStatus(status: WebhookDeliveryStatus | null) {
  if (status === null) return sql`true`
  return status === 'DELIVERED' ? sql`status = 'DELIVERED'` : sql`status <> 'DELIVERED' and status = ${status}`
}
