import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHANNELS } from '../../src/channels/provider.ts'
import { createTrackingLinks, type TrackedPlace } from '../../src/domain/tracking-link.ts'
import { signLink } from '../../src/render/link.ts'
import { createSecrets } from '../../src/secrets.ts'

const publicUrl = () => 'https://bells.example.com'
const [first, second] = [randomBytes(32), randomBytes(32)] as const
const linksOf = (...keys: Uint8Array[]) => createTrackingLinks({ vault: createSecrets(keys), publicUrl })
const links = linksOf(first)
const place: TrackedPlace = { environmentId: 'production', messageId: 'msg_1', channel: 'EMAIL', providerId: 'smtp' }

const tokenOf = (url: string) => url.slice(url.lastIndexOf('/') + 1).replace(/\.gif$/, '')

/** What stands in the mail for a link. */
function written(link: string, { clicks } = links, of = place) {
  const { base, key } = clicks(of)
  return { token: tokenOf(base), signature: signLink(key, link), u: link }
}
const follow = ({ token, signature, u }: ReturnType<typeof written>, by = links) => by.readClick(token, signature, u)

describe('An address that a message is tracked by', () => {
  test('tells what it was made for, whatever the ids', () => {
    const id = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' })
    const places = fc.record({ environmentId: id, messageId: id, channel: fc.constantFrom(...CHANNELS), providerId: id })
    fc.assert(
      fc.property(places, (any) => {
        expect(links.readOpen(tokenOf(links.openUrl(any)))).toEqual(any)
        expect(links.readPush(tokenOf(links.pushUrl(any)))).toEqual(any)
        expect(follow(written('https://a.example/', links, any))).toEqual({ place: any, location: 'https://a.example/' })
      }),
    )
  })

  test('is the same each time, a URL as it stands, with nothing readable in it', () => {
    expect(linksOf(first).openUrl(place)).toBe(links.openUrl(place))
    expect(linksOf(first).clicks(place)).toEqual(links.clicks(place))
    expect(links.openUrl(place)).toMatch(/^https:\/\/bells\.example\.com\/t\/o\/[\w.-]+\.gif$/)
    expect(links.clicks(place).base).toMatch(/^https:\/\/bells\.example\.com\/t\/c\/[\w.-]+$/)
    expect(links.pushUrl(place)).toMatch(/^https:\/\/bells\.example\.com\/t\/p\/[\w.-]+$/)
    for (const part of tokenOf(links.openUrl(place)).split('.')) {
      expect(Buffer.from(part, 'base64url').toString('latin1')).not.toMatch(/msg_1|smtp/)
    }
  })

  test('holds for its own purpose alone', () => {
    const [open, push, click] = [links.openUrl(place), links.pushUrl(place), links.clicks(place).base].map(tokenOf)
    for (const token of [push!, click!]) expect(links.readOpen(token)).toBeNull()
    for (const token of [open!, click!]) expect(links.readPush(token)).toBeNull()
    for (const token of [open!, push!]) expect(follow({ ...written('https://a.example/'), token })).toBeNull()
  })

  test('outlives the rotation of the secret, until the key that made it is gone', () => {
    const old = written('https://a.example/')
    const rotated = linksOf(second, first)
    expect(rotated.readOpen(tokenOf(links.openUrl(place)))).toEqual(place)
    expect(follow(old, rotated)?.location).toBe('https://a.example/')
    expect(follow(written('https://a.example/', rotated), rotated)?.location).toBe('https://a.example/')
    expect(follow(old, linksOf(second))).toBeNull()
  })
})

describe('A link that leads through us', () => {
  test('leads where it was signed for, written as a header may say it, and to no other place', () => {
    const link = fc.webUrl({ withFragments: true, withQueryParameters: true })
    fc.assert(
      fc.property(link, link, (one, other) => {
        const made = written(one)
        expect(follow(made)?.location).toBe(new URL(one).href)
        fc.pre(one !== other)
        expect(follow({ ...made, u: other })).toBeNull()
      }),
    )
    expect(follow(written('https://exämple.test/ü?q=ö'))?.location).toBe('https://xn--exmple-cua.test/%C3%BC?q=%C3%B6')
  })

  test('is worth nothing once a character of its token or signature differs', () => {
    const made = written('https://a.example/')
    for (const part of ['token', 'signature'] as const) {
      const text = made[part]
      for (let at = 0; at < text.length; at++) {
        const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
        expect(follow({ ...made, [part]: changed })).toBeNull()
      }
      for (const other of ['', '.', 'x', `${text}=`, text.slice(1), 'x'.repeat(100_000)]) {
        expect(follow({ ...made, [part]: other })).toBeNull()
      }
    }
  })

  test('of one message says nothing for another', () => {
    const other = written('https://a.example/', links, { ...place, messageId: 'msg_2' })
    expect(follow({ ...written('https://a.example/'), signature: other.signature })).toBeNull()
  })

  test('never leads to what is no web address, even where it is signed', () => {
    const wrong = ['javascript:alert(1)', ' JaVaScRiPt:alert(1)', 'data:text/html,x', 'ftp://a.example', '//a.example', '/x', '']
    for (const link of wrong) expect(follow(written(link))).toBeNull()
    expect(follow(written('https://a.example/\r\nset-cookie: x=1'))?.location).toBe('https://a.example/set-cookie:%20x=1')
  })
})
