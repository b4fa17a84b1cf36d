import pg from 'pg'
import type { Child } from './child.ts'
import { graphql, type House } from './house.ts'
import { benchMailing, CONTENT } from './mailing.ts'

/**
 * Email end to end as a product sends it: to users who chose about its topic, by a routing tree whose first node takes it, of
 * two SMTP accounts by that of the higher priority. `npm run bench:route`; MAILS and ROUNDS make it longer or shorter.
 */
const ROUTING = {
  method: 'SINGLE',
  channels: [{ channel: 'EMAIL' }, { routing: { method: 'ALL', channels: [{ channel: 'PUSH' }, { channel: 'INBOX' }] } }],
}
const PUT_PROVIDER = 'mutation Put($id: ID!, $input: ProviderInput!) { putProvider(id: $id, input: $input) { id } }'

async function prepare(house: House, app: Child, smtpUrl: string, mails: number): Promise<void> {
  for (const [id, priority] of Object.entries({ first: -2, second: -1 })) {
    const settings = { url: smtpUrl, from: 'Bench <bench@example.com>' }
    await graphql(app.url, house.key, PUT_PROVIDER, { id, input: { kind: 'smtp', settings, priority } })
  }
  const client = new pg.Client({ connectionString: house.databaseUrl })
  await client.connect()
  await fill(client, mails)
  await client.end()
}

/** Users who chose: a third as the topic itself says, a third by channel, a third about another topic only. */
async function fill(client: pg.Client, users: number): Promise<void> {
  const environment = '(select id from environment limit 1)'
  await client.query(
    `insert into topic (environment_id, id, name, default_status)
     values (${environment}, 'news', 'News', 'OPTED_IN'), (${environment}, 'offers', 'Offers', 'OPTED_OUT')`,
  )
  await client.query(
    `insert into "user" (environment_id, id, profile)
     select ${environment}, 'user-' || n, jsonb_build_object('email', 'user-' || n || '@example.com', 'name', 'User ' || n)
     from generate_series(0, $1::int - 1) n`,
    [users],
  )
  await client.query(
    `insert into preference (environment_id, user_id, topic_id, status, channels)
     select ${environment}, 'user-' || n, case n % 3 when 2 then 'offers' else 'news' end, 'OPTED_IN',
       case n % 3 when 1 then array['EMAIL', 'INBOX']::channel[] else array[]::channel[] end
     from generate_series(0, $1::int - 1) n`,
    [users],
  )
  await client.query('vacuum analyze')
}

await benchMailing({
  bench: 'route',
  prepare,
  inputOf: (number) => ({ to: { userId: `user-${number}` }, content: CONTENT, topicId: 'news', routing: ROUTING }),
})
