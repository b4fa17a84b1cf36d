import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLinks } from '../../src/domain/link.ts'
import { createSecrets } from '../../src/secrets.ts'

const publicUrl = () => 'https://bells.example.com'
const [first, second] = [randomBytes(32), randomBytes(32)] as const
const links = createLinks({ vault: createSecrets([first]), publicUrl })
const link = { environmentId: 'production', userId: 'ada', tenantId: 'acme', topicId: 'offers' }
const { topicId: _, ...person } = link

const tokenOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)

describe('A link', () => {
  test('opens to whom and what it was made for, whatever their ids', () => {
    const id = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' })
    fc.assert(
      fc.property(id, id, fc.option(id), id, (environmentId, userId, tenantId, topicId) => {
        const whole = { environmentId, userId, tenantId, topicId }
        const { topicId: _, ...own } = whole
        expect(links.openUnsubscribe(tokenOf(links.unsubscribeUrl(whole)))).toEqual(whole)
        expect(links.openPreferences(tokenOf(links.preferencesUrl(whole)))).toEqual(own)
      }),
    )
  })

  test('is the same each time it is written, and another for anybody else', () => {
    const again = createLinks({ vault: createSecrets([first]), publicUrl })
    expect(again.unsubscribeUrl(link)).toBe(links.unsubscribeUrl(link))
    expect(again.preferencesUrl(person)).toBe(links.preferencesUrl(person))
    const others = [{ userId: 'bob' }, { tenantId: null }, { environmentId: 'test' }, { topicId: 'news' }]
    const urls = others.map((other) => links.unsubscribeUrl({ ...link, ...other }))
    const nonces = [links.unsubscribeUrl(link), ...urls].map((url) => tokenOf(url).split('.')[1]!.slice(0, 16))
    expect(new Set(nonces).size).toBe(5)
  })

  test('is a URL as it stands, with nobody readable in it', () => {
    const url = links.unsubscribeUrl(link)
    expect(url).toMatch(/^https:\/\/bells\.example\.com\/unsubscribe\/[A-Za-z0-9_.-]+$/)
    expect(links.preferencesUrl(person)).toMatch(/^https:\/\/bells\.example\.com\/preferences\/[A-Za-z0-9_.-]+$/)
    for (const part of tokenOf(url).split('.')) expect(Buffer.from(part, 'base64url').toString('latin1')).not.toMatch(/ada|acme/)
  })

  test('holds for its own purpose alone', () => {
    expect(links.openPreferences(tokenOf(links.unsubscribeUrl(link)))).toBeNull()
    expect(links.openUnsubscribe(tokenOf(links.preferencesUrl(person)))).toBeNull()
  })

  test('is worth nothing once a character of it differs', () => {
    const token = tokenOf(links.unsubscribeUrl(link))
    for (let at = 0; at < token.length; at++) {
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
      expect(links.openUnsubscribe(changed)).toBeNull()
    }
    for (const other of ['', '.', 'x', `${token}.`, token.slice(1), 'x'.repeat(100_000)]) {
      expect(links.openUnsubscribe(other)).toBeNull()
    }
  })

  test('outlives the rotation of the secret, until the key that made it is gone', () => {
    const token = tokenOf(links.preferencesUrl(person))
    const rotated = createLinks({ vault: createSecrets([second, first]), publicUrl })
    expect(rotated.openPreferences(token)).toEqual(person)
    const foreign = createLinks({ vault: createSecrets([second]), publicUrl })
    expect(foreign.openPreferences(token)).toBeNull()
  })
})
