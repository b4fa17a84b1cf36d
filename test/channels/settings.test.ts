import { expect, test } from 'vitest'
import { createProviders } from '../../src/channels/index.ts'
import { CHANNELS, secretFields, settingsSchema } from '../../src/channels/provider.ts'
import { deliver, outgoing, testDoor } from './conformance.ts'

const providers = createProviders()

test('every provider has a name of its own in lower case, and a channel', () => {
  const kinds = providers.map(({ kind }) => kind)
  expect(new Set(kinds).size).toBe(kinds.length)
  for (const { kind, channel } of providers) {
    expect(kind).toMatch(/^[a-z]+$/)
    expect(CHANNELS).toContain(channel)
  }
})

test('the settings of a provider are printed as JSON Schema, its secrets marked', () => {
  const smtp = providers.find(({ kind }) => kind === 'smtp')!
  expect(settingsSchema(smtp)).toMatchObject({
    type: 'object',
    required: ['url', 'from'],
    properties: { url: { type: 'string', writeOnly: true, description: expect.any(String) }, from: { type: 'string' } },
  })
  expect(settingsSchema(smtp)).not.toHaveProperty('$schema')
})

test('the secrets of each provider are known', () => {
  const secrets = Object.fromEntries(providers.map((provider) => [provider.kind, secretFields(provider)]))
  expect(secrets).toEqual({
    smtp: ['url'],
    ses: ['secretAccessKey'],
    sendgrid: ['apiKey'],
    postmark: ['serverToken'],
    resend: ['apiKey', 'webhookSecret'],
    mailgun: ['apiKey', 'webhookSigningKey'],
    twilio: ['authToken', 'apiKeySecret'],
    vonage: ['apiSecret', 'signatureSecret'],
    messagebird: ['accessKey', 'signingKey'],
    webpush: ['privateKey'],
    fcm: ['serviceAccount'],
    apns: ['privateKey'],
    expo: ['accessToken'],
    inbox: [],
    slack: ['token'],
    msteams: ['appPassword'],
    discord: ['token'],
    telegram: ['token'],
    webhook: ['secret'],
    http: ['headers', 'password', 'token'],
  })
})

test('the inbox accepts every message, for whoever records it also writes it', async () => {
  const inbox = providers.find(({ kind }) => kind === 'inbox')!
  const http = testDoor()
  expect(await deliver(inbox, {}, outgoing({ id: 'user-1' }), { http })).toEqual({ kind: 'accepted' })
  await http.close()
})
