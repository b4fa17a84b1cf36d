import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/json.ts'
import { refuseData } from '../../src/domain/template-data.ts'

const SCHEMA = { type: 'object', required: ['name'], properties: { name: { type: 'string' }, items: { type: 'array' } } }
const say = (shared: JsonObject, ...own: (JsonObject | null)[]) => ({
  definition: { data: shared },
  data: own.map((data, place) => ({ place, data })),
})

describe('The data of a send are held against a schema', () => {
  test('each with what the recipient says over it', async () => {
    expect(await refuseData(SCHEMA, say({}, { name: 'Ada' }, { name: 'Grace' }))).toBeNull()
    expect((await refuseData(SCHEMA, say({}, { name: 'Ada' }, { name: 7 })))?.issues).toEqual([
      { path: ['input', 'to', 1, 'data', 'name'], message: "'name' must be a string." },
    ])
    expect((await refuseData(SCHEMA, say({}, null, { name: 'Ada' })))?.issues[0]?.path).toEqual(['input', 'data', 'name'])
  })

  test('Where so many have their own over so much that it would take minutes, it is said how many may', async () => {
    const shared = { items: Array(9_996).fill(0) }
    const own = { name: 'Ada' }
    expect(await refuseData({ type: 'object' }, say(shared, ...Array(500).fill(own)))).toBeNull()
    const refused = await refuseData({ type: 'object' }, say(shared, ...Array(2_000).fill(own)))
    expect(refused?.issues).toEqual([
      {
        path: ['input', 'to'],
        message:
          "2,000 recipients have data of their own, and for each of them all of 'data' is checked against the schema of the " +
          'template: with so much of it, send to at most 1,000 of them at a time.',
      },
    ])
    expect(await refuseData({ type: 'object' }, say(shared, ...Array(2_000).fill(null), own))).toBeNull()
  })
})
