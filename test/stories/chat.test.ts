import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MessageDocument, PutProviderDocument, SendDocument, type SendInput } from '../generated/graphql.ts'
import { ask } from '../support/graph.ts'
import { dataOf, type House, house, MODES, refusalOf } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'

interface Planned {
  readonly planSend: {
    readonly messages: readonly {
      readonly recipient: string
      readonly outcome: string
      readonly steps: readonly { readonly channel: string; readonly providerId: string; readonly address: string }[]
    }[]
  }
}

const PLAN = `query ($input: SendInput!) {
  planSend(input: $input) { messages { recipient outcome steps { channel providerId address } } }
}`

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let teams: Receiver

    beforeAll(async () => {
      teams = await startReceiver()
      home = await house({ mode })
      for (const kind of ['msteams', 'slack']) await put(kind, kind, kind === 'slack' ? { token: 'xoxb-of-the-account' } : {})
    })
    afterAll(async () => {
      await home.stop()
      await teams.close()
    })
    beforeEach(() => {
      teams.received.length = 0
      teams.answer = answering(202)
    })

    const put = async (id: string, kind: string, settings: Record<string, unknown>) =>
      dataOf(await home.client.send(PutProviderDocument, { id, input: { kind, settings } }))
    const remove = (id: string) => ask(home.client, `mutation { deleteProvider(id: "${id}") }`)
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const planOf = async (to: SendInput['to']) =>
      (await ask<Planned>(home.client, PLAN, { input: { to, content: { title: 'Ding' } } })).planSend.messages

    /** Every row of the tables that hold what was sent. Empty where the database is the embedded one. */
    async function everyRow(): Promise<string> {
      if (home.databaseUrl === null) return ''
      const client = new pg.Client({ connectionString: home.databaseUrl })
      await client.connect()
      try {
        const tables = ['message', 'request', 'event', 'job', 'delivery', 'plan', 'idempotency', 'dead_letter']
        const texts: string[] = []
        for (const name of tables) {
          const { rows } = await client.query<{ text: string }>(`select t::text as text from "${name}" t`)
          texts.push(...rows.map(({ text }) => text))
        }
        return texts.join('\n')
      } finally {
        await client.end()
      }
    }

    test('A webhook in Microsoft Teams gets the message as a card, and nobody is shown more of it than where it is and its end', async () => {
      const webhookUrl = `${teams.url}/workflows/canary-webhook/sig-7Yq9`
      const id = await home.send({ to: [{ msTeams: { webhookUrl } }], content: { title: 'Tea', body: 'Now, *please*' } })
      const events = await home.journey(id)
      expect(events.at(-1)).toMatchObject({ type: 'SENT', channel: 'DIRECT_MESSAGE', providerId: 'msteams' })
      expect(teams.received.map(({ path }) => path)).toEqual(['/workflows/canary-webhook/sig-7Yq9'])
      const card = JSON.parse(teams.received[0]!.body.toString()).attachments[0].content
      const lines = card.body.map(({ inlines }: { inlines: object[] }) => inlines)
      expect(lines).toMatchObject([[{ text: 'Tea', weight: 'Bolder' }], [{ text: 'Now, ' }, { text: 'please', italic: true }]])

      const message = await messageOf(id)
      expect(message.recipient).toBe(`${teams.url}/…7Yq9`)
      expect(message.deliveries).toMatchObject([{ address: `${teams.url}/…7Yq9`, status: 'SENT' }])
      expect(JSON.stringify([message, events])).not.toContain('canary-webhook')
      const rows = await everyRow()
      expect(rows.includes(id)).toBe(home.databaseUrl !== null)
      expect(rows).not.toContain('canary-webhook')
    })

    test('A webhook that is gone ends the message, and leaves the account to the others', async () => {
      teams.answer = answering(404)
      const to = (path: string) => [{ msTeams: { webhookUrl: `${teams.url}/${path}` } }]
      const gone = await home.send({ to: to('gone'), content: { title: 'Tea' } })
      expect((await home.journey(gone)).at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason: 'BOUNCED' })
      teams.answer = answering(202)
      const next = await home.send({ to: to('there'), content: { title: 'Tea' } })
      expect((await home.journey(next)).at(-1)?.type).toBe('SENT')
    })

    test('A busy webhook is tried again, and told a repetition by the same key', async () => {
      teams.answer = (response) => void response.writeHead(teams.received.length === 1 ? 429 : 202).end()
      const id = await home.send({ to: [{ msTeams: { webhookUrl: `${teams.url}/busy` } }], content: { title: 'Tea' } })
      expect((await home.journey(id)).map(({ type }) => type)).toContain('RETRYING')
      expect(teams.received).toHaveLength(2)
      expect(new Set(teams.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    })

    test('A place goes by the accounts of its service alone, and a person by every chat that the profile names', async () => {
      const [place] = await planOf([{ slack: { channel: 'C024BE91L', accessToken: 'xoxb-canary-token' } }])
      expect(place).toMatchObject({
        recipient: 'slack:C024BE91L',
        outcome: 'ROUTED',
        steps: [{ channel: 'DIRECT_MESSAGE', providerId: 'slack', address: 'slack:C024BE91L' }],
      })
      const [nowhere] = await planOf([{ telegram: { chatId: '42' } }])
      expect(nowhere).toMatchObject({ outcome: 'UNROUTABLE', steps: [] })
      const profile = { slack: { user_id: 'U024BE7LH' }, ms_teams: { webhook_url: `${teams.url}/profile/abcd` } }
      const [person] = await planOf([{ profile }])
      expect(person!.steps.map(({ address }) => address).sort()).toEqual([`${teams.url}/…abcd`, 'slack:U024BE7LH'].sort())
    })

    test('A person is reached where the profile says, over a part of it that the tenant says', async () => {
      const around = `mutation ($hook: JSONObject!) {
        mergeProfile(userId: "ada", profile: $hook) { id }
        putTenant(id: "acme", input: { name: "Acme", profile: { slack: { access_token: "xoxb-of-acme" } } }) { id }
      }`
      await ask(home.client, around, {
        hook: { ms_teams: { webhook_url: `${teams.url}/ada/wxyz` }, slack: { user_id: 'U024BE7LH' } },
      })
      const [planned] = await planOf([{ userId: 'ada', tenantId: 'acme' }])
      const addresses = planned!.steps.map(({ channel, address }) => [channel, address])
      expect(addresses).toContainEqual(['DIRECT_MESSAGE', 'slack:U024BE7LH'])
      expect(addresses).toContainEqual(['DIRECT_MESSAGE', `${teams.url}/…wxyz`])
    })

    test('An account that is any service over HTTP gets what is for a person, and nothing that is for a place', async () => {
      const settings = { url: `${teams.url}/gateway`, token: 'canary-bearer', body: { app: 'bells' } }
      const { putProvider } = await put('gateway', 'http', settings)
      expect(JSON.stringify(putProvider)).not.toContain('canary-bearer')
      const id = await home.send({ to: [{ phoneNumber: '+32470123456' }], content: { title: 'Tea', body: 'Now' } })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'SENT', channel: 'WEBHOOK', providerId: 'gateway' })
      const [{ headers, body }] = teams.received as [(typeof teams.received)[0]]
      expect(headers.authorization).toBe('Bearer canary-bearer')
      expect(JSON.parse(body.toString())).toMatchObject({
        id: headers['idempotency-key'],
        app: 'bells',
        recipient: '+32470123456',
        data: { messageId: id, title: 'Tea', body: 'Now' },
      })
      const places = await planOf([{ webhook: { url: `${teams.url}/own` } }, { telegram: { chatId: '42' } }])
      expect(places.flatMap(({ steps }) => steps.map(({ providerId }) => providerId))).toEqual(['webhook'])
      await remove('gateway')
    })

    test.each<[string, SendInput['to'][number], string]>([
      ['two targets', { slack: { channel: 'C024BE91L', userId: 'U024BE7LH' } }, 'input.to.0.slack.channel'],
      ['a webhook that may not be called', { msTeams: { webhookUrl: 'http://10.0.0.1/' } }, 'input.to.0.msTeams.webhookUrl'],
      ['an id that is none', { discord: { channelId: 'general' } }, 'input.to.0.discord.channelId'],
      ['a place in a profile that is none', { profile: { telegram: { chat_id: 'x' } } }, 'input.to.0.profile.telegram'],
    ])('A chat with %s is refused when it is sent', async (_name, to, path) => {
      const refused = await home.client.send(SendDocument, { input: { to: [to], content: { title: 'x' } } })
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path })
    })
  })
}
