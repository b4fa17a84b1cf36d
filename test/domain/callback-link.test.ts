import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Provider } from '../../src/channels/provider.ts'
import { createCallbackLinks } from '../../src/domain/callback-link.ts'
import { createSecrets } from '../../src/secrets.ts'

const silent: Provider = {
  kind: 'silent',
  channel: 'EMAIL',
  name: 'Silent',
  settings: z.object({}),
  deliver: async () => ({ kind: 'accepted' }),
}
const reporting: Provider = { ...silent, kind: 'reporting', readCallback: async () => ({ kind: 'reports', reports: [] }) }

const [first, second] = [randomBytes(32), randomBytes(32)] as const
const linksOf = (...keys: Uint8Array[]) =>
  createCallbackLinks({
    signer: createSecrets(keys),
    providers: [silent, reporting],
    publicUrl: () => 'https://bells.example.com',
  })
const links = linksOf(first)
const account = { id: 'mails', kind: 'reporting' }
const place = { environmentId: 'production', providerId: 'mails' }
const tokenOf = (url: string | null) => url!.slice(url!.lastIndexOf('/') + 1)

describe('A callback URL', () => {
  test('is there for an account whose kind reports, and for no other', () => {
    expect(links.urlOf('production', account)).toMatch(
      /^https:\/\/bells\.example\.com\/callbacks\/production\/mails\/[A-Za-z0-9_-]{43}$/,
    )
    expect(links.urlOf('production', { id: 'mails', kind: 'silent' })).toBeNull()
    expect(links.urlOf('production', { id: 'mails', kind: 'gone' })).toBeNull()
  })

  test('stays the same, and is told from its own account’s token alone', () => {
    expect(linksOf(first).urlOf('production', account)).toBe(links.urlOf('production', account))
    const token = tokenOf(links.urlOf('production', account))
    expect(links.opens(place, token)).toBe(true)
    expect(links.urlWith(place, token)).toBe(links.urlOf('production', account))
    for (const other of [
      { environmentId: 'staging', providerId: 'mails' },
      { environmentId: 'production', providerId: 'mails2' },
      { environmentId: 'productionmails', providerId: '' },
      { environmentId: 'mails', providerId: 'production' },
    ]) {
      expect(links.opens(other, token)).toBe(false)
    }
    for (const other of ['', 'x', token.slice(1), `${token}A`, `${token}=`, token.toLowerCase()]) {
      expect(links.opens(place, other)).toBe(false)
    }
  })

  test('outlives the rotation of the secret, until the key that made it is gone', () => {
    const token = tokenOf(links.urlOf('production', account))
    expect(linksOf(second, first).opens(place, token)).toBe(true)
    expect(linksOf(second).opens(place, token)).toBe(false)
  })
})
