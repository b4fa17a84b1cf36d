import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MASK } from '../../src/domain/account.ts'
import {
  DeleteProviderDocument,
  ProviderCatalogDocument,
  ProviderDocument,
  type ProviderInput,
  ProvidersDocument,
  PutProviderDocument,
} from '../generated/graphql.ts'
import { dataOf, type House, house, MODES, refusalOf } from '../support/house.ts'
import { type SmtpReceiver, startSmtp } from '../support/smtp.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let server: SmtpReceiver

    beforeAll(async () => {
      server = await startSmtp({ login: true })
      home = await house({ mode })
    })
    afterAll(async () => {
      await home.stop()
      await server.close()
    })

    const put = async (id: string, input: ProviderInput) => home.client.send(PutProviderDocument, { id, input })
    const urlOf = (password: string) => `smtp://user:${password}@127.0.0.1:${server.port}`

    test('The accounts that exist at start are listed in the order in which they are tried, their secrets masked', async () => {
      const { providers } = dataOf(await home.client.send(ProvidersDocument, {}))
      expect(providers.map(({ id, kind, health }) => [id, kind, health])).toEqual([
        ['inbox', 'inbox', 'OK'],
        ['smtp', 'smtp', 'OK'],
        ['webhook', 'webhook', 'OK'],
        ['webpush', 'webpush', 'OK'],
      ])
      const all = JSON.stringify(providers)
      expect(all).not.toContain(home.smtp.url)
      expect(all).not.toContain('whsec_')
      const { providers: emails } = dataOf(await home.client.send(ProvidersDocument, { channel: 'EMAIL' }))
      expect(emails.map(({ id }) => id)).toEqual(['smtp'])
    })

    test('A secret is masked in the answer, sealed in the table, and kept where it is left out', async () => {
      const settings = { url: urlOf('hunter2-sealed'), from: 'a@example.com' }
      const created = dataOf(await put('sealed', { kind: 'smtp', settings, priority: -5 })).putProvider
      expect(created).toMatchObject({ channel: 'EMAIL', onUnknown: 'RESEND', settings: { from: 'a@example.com' } })
      expect(JSON.stringify(created)).not.toContain('hunter2-sealed')
      await home.journey(await home.send({ to: [{ email: 'one@example.com' }], content: { title: 'One' } }))
      for (const kept of [{ from: 'b@example.com' }, { from: 'c@example.com', url: created.settings.url }]) {
        const again = dataOf(await put('sealed', { kind: 'smtp', settings: kept, priority: -5 })).putProvider
        expect(again.settings).toEqual({ ...created.settings, from: kept.from })
        await home.journey(await home.send({ to: [{ email: `${kept.from[0]}@example.com` }], content: { title: 'Two' } }))
      }
      expect(server.mails.map(({ from }) => from)).toEqual(['a@example.com', 'b@example.com', 'c@example.com'])
      dataOf(await home.client.send(DeleteProviderDocument, { id: 'sealed' }))
    })

    test.skipIf(mode !== 'PostgreSQL and Redis')('Nothing in the database holds a secret as it was given', async () => {
      dataOf(await put('raw', { kind: 'smtp', settings: { url: urlOf('hunter2-raw'), from: 'a@example.com' } }))
      const client = new pg.Client({ connectionString: home.databaseUrl! })
      await client.connect()
      const tables = await client.query<{ name: string }>(
        "select format('%I', tablename) as name from pg_tables where schemaname = 'public'",
      )
      for (const { name } of tables.rows) {
        const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`)
        expect(rows.some(({ row }) => row.includes('hunter2-raw'))).toBe(false)
      }
      await client.end()
      dataOf(await home.client.send(DeleteProviderDocument, { id: 'raw' }))
    })

    test('An account of another kind does not take over the secrets of the one before', async () => {
      dataOf(await put('kind', { kind: 'smtp', settings: { url: urlOf('x'), from: 'a@example.com' } }))
      expect(refusalOf(await put('kind', { kind: 'webhook', settings: {} }))).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.settings.secret',
      })
      dataOf(await home.client.send(DeleteProviderDocument, { id: 'kind' }))
    })

    test('A secret that was left out does not go to another URL', async () => {
      const settings = { url: 'https://a.example.com/in', token: 'hunter2-moved', headers: { 'x-key': 'hunter2-too' } }
      dataOf(await put('moved', { kind: 'http', settings }))
      const url = 'https://b.example.com/in'
      for (const [path, left] of Object.entries({
        headers: { url, token: 'new', headers: MASK },
        token: { url, headers: {} },
      })) {
        expect(refusalOf(await put('moved', { kind: 'http', settings: left }))).toEqual({
          code: 'BAD_USER_INPUT',
          path: `input.settings.${path}`,
        })
      }
      const kept = dataOf(await put('moved', { kind: 'http', settings: { url: settings.url, method: 'PUT' } })).putProvider
      expect(kept.settings).toEqual({ url: settings.url, method: 'PUT', token: MASK, headers: MASK })
      const given = dataOf(await put('moved', { kind: 'http', settings: { url, token: 'new', headers: null } })).putProvider
      expect(given.settings).toEqual({ url, token: MASK })
      dataOf(await home.client.send(DeleteProviderDocument, { id: 'moved' }))
    })

    test('A secret is taken away by null, so that another can go in its place', async () => {
      const url = 'https://a.example.com/in'
      dataOf(await put('taken', { kind: 'http', settings: { url, token: 'hunter2-token' } }))
      const login = { url, username: 'ada', password: 'hunter2-login' }
      expect(refusalOf(await put('taken', { kind: 'http', settings: login })).path).toBe('input.settings.token')
      const now = dataOf(await put('taken', { kind: 'http', settings: { ...login, token: null } })).putProvider
      expect(now.settings).toEqual({ url, username: 'ada', password: MASK })
      const masked = dataOf(await put('taken', { kind: 'http', settings: { ...login, token: MASK } })).putProvider
      expect(masked.settings).toEqual(now.settings)
      dataOf(await home.client.send(DeleteProviderDocument, { id: 'taken' }))
    })

    test('An account that was put in the place of one from the start gives way to it again when it is deleted', async () => {
      dataOf(await put('inbox', { kind: 'inbox', settings: {}, enabled: false, name: 'Mine' }))
      expect(dataOf(await home.client.send(ProviderDocument, { id: 'inbox' })).provider).toMatchObject({
        enabled: false,
        name: 'Mine',
      })
      expect(dataOf(await home.client.send(DeleteProviderDocument, { id: 'inbox' })).deleteProvider).toBe(true)
      expect(dataOf(await home.client.send(ProviderDocument, { id: 'inbox' })).provider).toMatchObject({ enabled: true })
      expect(dataOf(await home.client.send(DeleteProviderDocument, { id: 'inbox' })).deleteProvider).toBe(false)
    })

    test('The catalog describes the settings of every kind as JSON Schema, secrets writeOnly', async () => {
      const { providerCatalog } = dataOf(await home.client.send(ProviderCatalogDocument, {}))
      expect(providerCatalog.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['inbox', 'smtp', 'webhook', 'webpush']))
      const smtp = providerCatalog.find(({ kind }) => kind === 'smtp')!
      expect(smtp.settingsSchema).toMatchObject({
        type: 'object',
        required: ['url', 'from'],
        properties: { url: { type: 'string', writeOnly: true }, from: { type: 'string' } },
      })
      expect(smtp.settingsSchema).not.toHaveProperty('properties.from.writeOnly')
    })

    test.each<[string, ProviderInput]>([
      ['input.settings.url', { kind: 'smtp', settings: { url: 'http://x', from: 'a@example.com' } }],
      ['input.settings.from', { kind: 'smtp', settings: { url: 'smtp://127.0.0.1', from: 'a@x.test, b@x.test' } }],
      ['input.settings.url', { kind: 'smtp', settings: { url: 'smtp://10.0.0.5:25', from: 'a@example.com' } }],
      ['input.settings.secret', { kind: 'webhook', settings: { secret: 'whsec_c2hvcnQ=' } }],
      [
        'input.settings.form',
        { kind: 'smtp', settings: { url: 'smtp://127.0.0.1', from: 'a@example.com', form: 'b@example.com' } },
      ],
      ['input.settings.form', { kind: 'inbox', settings: { form: 'b@example.com' } }],
      ['input.kind', { kind: 'pigeon', settings: {} }],
    ])('Settings that are wrong are refused with their field, %s', async (path, input) => {
      const refused = await put('wrong', input)
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path })
      expect(dataOf(await home.client.send(ProviderDocument, { id: 'wrong' })).provider).toBeNull()
    })

    test.each(['', 'a b', '../x', 'ä', 'x'.repeat(129)])('%j is no id of an account', async (id) => {
      expect(refusalOf(await put(id, { kind: 'inbox', settings: {} }))).toEqual({ code: 'BAD_USER_INPUT', path: 'id' })
    })
  })
}
