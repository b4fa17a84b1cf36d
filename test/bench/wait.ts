import pg from 'pg'
import { graphql, type House } from './house.ts'

const SEND = 'mutation Send($input: SendInput!) { send(input: $input) { requestId } }'
const PUT_PROVIDER = 'mutation Put($id: ID!, $input: ProviderInput!) { putProvider(id: $id, input: $input) { id } }'
const LONGEST_MS = 120_000

/** Sends a message to one person, and returns its id. */
export async function sendOne(url: string, house: House, input: object): Promise<string> {
  const { send } = await graphql<{ send: { requestId: string } }>(url, house.key, SEND, { input })
  return send.requestId
}

/** Puts an account of SMTP; what was learned of it before is forgotten. */
export async function putSmtp(url: string, house: House, id: string, smtpUrl: string): Promise<void> {
  const settings = { url: smtpUrl, from: 'Bench <bench@example.com>' }
  await graphql(url, house.key, PUT_PROVIDER, { id, input: { kind: 'smtp', settings } })
}

/** How messages fared, read from the database: no client stands between what is measured and the clock. */
export interface Watch {
  /** Milliseconds from the commit that accepted each message to the one that wrote it SENT, once all of them are. */
  untilSent(messageIds: readonly string[]): Promise<readonly number[]>
  /** Attempts of them by an account. */
  attempts(messageIds: readonly string[], providerId: string): Promise<number>
  close(): Promise<void>
}

export async function openWatch(house: House): Promise<Watch> {
  const client = new pg.Client({ connectionString: house.databaseUrl })
  await client.connect()
  return {
    async untilSent(messageIds) {
      for (const deadline = performance.now() + LONGEST_MS; performance.now() < deadline; ) {
        const { rows } = await client.query<{ ms: number }>(UNTIL_SENT, [messageIds])
        if (rows.length === messageIds.length) return rows.map(({ ms }) => ms)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      throw new Error(`Not all of ${messageIds.length} messages are SENT after ${LONGEST_MS} ms.`)
    },
    async attempts(messageIds, providerId) {
      const { rows } = await client.query<{ attempts: number }>(ATTEMPTS, [messageIds, providerId])
      return rows[0]!.attempts
    },
    close: () => client.end(),
  }
}

const UNTIL_SENT = `
  select extract(epoch from pg_xact_commit_timestamp(sent.xmin) - pg_xact_commit_timestamp(message.xmin))::float8 * 1000 as ms
  from event sent join event message on message.environment_id = sent.environment_id and message.message_id = sent.message_id
  where sent.environment_id = (select id from environment limit 1) and sent.message_id = any($1)
    and sent.type = 'SENT' and message.type = 'ENQUEUED'`

const ATTEMPTS = `
  select coalesce(sum(jsonb_array_length(attempts)), 0)::int as attempts from delivery
  where environment_id = (select id from environment limit 1) and message_id = any($1) and provider_id = $2`

/** @param part in [0, 1]: 0.95 is p95 */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}
