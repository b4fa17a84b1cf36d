import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { printContract } from '../../src/graphql/print.ts'

test('The printed schema is the committed contract; npm run schema writes it', async () => {
  const committed = await readFile(new URL('../../schema/schema.graphql', import.meta.url), 'utf8')
  expect(printContract()).toBe(committed)
})
