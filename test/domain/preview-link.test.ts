import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createPreviewLinks } from '../../src/domain/preview-link.ts'
import { createSecrets } from '../../src/secrets.ts'

const HOUR_MS = 3_600_000
const input = { content: { title: 'Tea', body: 'For {{name}}' }, data: { name: 'Ada' }, draft: false }

/** Links at a time that the test sets. */
function linksAt(secret = randomBytes(32)) {
  const clock = { now: new Date('2026-11-21T12:00:00Z') }
  const links = createPreviewLinks({
    vault: createSecrets([secret]),
    publicUrl: () => 'https://carillon.example',
    now: () => clock.now,
  })
  return { clock, links }
}

const tokenOf = (url: string) => url.slice('https://carillon.example/preview/'.length)

describe('A link to a preview', () => {
  test('says what was asked for, of which environment, to whoever holds it, for a day', () => {
    const { clock, links } = linksAt()
    const { url, expiresAt } = links.make('env', input)
    expect(url).toMatch(/^https:\/\/carillon\.example\/preview\/[\w.-]+$/)
    expect(expiresAt).toEqual(new Date('2026-11-22T12:00:00Z'))
    clock.now = new Date(expiresAt.getTime() - 1)
    expect(links.open(tokenOf(url))).toEqual({ environmentId: 'env', input, expiresAt })
    clock.now = expiresAt
    expect(links.open(tokenOf(url))).toBeNull()
  })

  test('says nothing of what it shows, and cannot be changed, guessed or brought from elsewhere', () => {
    const { links } = linksAt()
    const token = tokenOf(links.make('env', input).url)
    const half = token.length >> 1
    const changed = token.slice(0, half) + (token[half] === 'A' ? 'B' : 'A') + token.slice(half + 1)
    for (const forged of [changed, token.slice(0, -1), '', 'preview', tokenOf(linksAt().links.make('env', input).url)]) {
      expect(links.open(forged)).toBeNull()
    }
    expect(Buffer.from(token.split('.')[1]!, 'base64url').toString('latin1')).not.toContain('Tea')
  })

  test('opens nothing that was sealed for another purpose', () => {
    const secret = randomBytes(32)
    const { links } = linksAt(secret)
    const said = JSON.stringify(['env', Date.now() + HOUR_MS, input])
    expect(links.open(createSecrets([secret]).seal(said, 'link/preferences'))).toBeNull()
  })

  test('is refused where it would be too long for a browser on its way, and says what to do instead', () => {
    const { links } = linksAt()
    const long = { content: { body: 'Tea. '.repeat(20_000) } }
    expect(links.open(tokenOf(links.make('env', long).url))).toMatchObject({ input: long })
    const noise = { content: { body: randomBytes(6_000).toString('base64') } }
    expect(() => links.make('env', noise)).toThrow(/8,000 characters: put the content as a template's draft/)
  })
})
