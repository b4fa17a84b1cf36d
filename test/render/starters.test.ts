import { describe, expect, test } from 'vitest'
import { checkDataSchema, dataProblems } from '../../src/domain/data-schema.ts'
import { checkContent } from '../../src/render/check.ts'
import { STARTERS, starter } from '../support/starters.ts'
import { type Given, renderContent } from './job.ts'

/** The texts of the starter templates stand in starters/, as their readers get them: `vitest run -u` writes them anew. */

const URLS = { unsubscribe: 'https://notify.example/u/1', preferences: 'https://notify.example/p/1' }

describe.each(STARTERS)('The starter template %s', (name) => {
  const { content, dataSchema, sample } = starter(name)
  const say = (given: Given = {}) => renderContent(content, { data: sample, urls: URLS, onMissing: 'FAIL', ...given })

  test('is one that can be put, with data of its schema', () => {
    expect(checkContent(content)).toBeNull()
    expect(checkDataSchema(dataSchema)).toBeNull()
    expect(dataProblems(dataSchema, sample)).toEqual([])
  })

  test('reads well where there is only text', async () => {
    const { subject, text } = await say()
    await expect(`${subject}\n\n${text}\n`).toMatchFileSnapshot(`starters/${name}.email.txt`)
    for (const channel of ['SMS', 'PUSH', 'INBOX', 'DIRECT_MESSAGE'] as const) {
      const { title, text: said } = await say({ channel })
      await expect(`${title ? `${title}\n\n` : ''}${said}\n`).toMatchFileSnapshot(`starters/${name}.${channel.toLowerCase()}.txt`)
    }
  })

  test('is one text message, or two', async () => {
    const { payload } = await say({ channel: 'SMS' })
    expect((payload as { segments: number }).segments).toBeLessThanOrEqual(2)
  })

  test('needs of its data no more than its schema asks for', async () => {
    const { required, properties } = dataSchema as { required: readonly string[]; properties: object }
    const least = Object.fromEntries(
      Object.keys(properties)
        .filter((key) => required.includes(key))
        .map((key) => [key, sample[key]]),
    )
    expect(dataProblems(dataSchema, least)).toEqual([])
    const { subject, text } = await say({ data: least })
    expect(`${subject}${text}`).not.toMatch(/undefined|null|NaN|\{\{/)
  })
})
