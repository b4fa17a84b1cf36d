import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Batch, batched } from '../../src/cli/bulk-batch.ts'
import type { Row } from '../../src/cli/bulk-source.ts'

const MIB = 1024 * 1024

const rowOf = (size: number, index: number): Row => ({
  line: index + 2,
  end: { bytes: index, lines: index + 2 },
  raw: 'x'.repeat(size),
  to: { email: `user${index}@example.com` },
  flaw: null,
})

async function* each(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows
}

async function batchesOf(rows: readonly Row[], firstIndex = 0): Promise<Batch[]> {
  const batches: Batch[] = []
  for await (const batch of batched(each(rows), firstIndex)) batches.push(batch)
  return batches
}

test('Batches have every row once and in order, and are no larger than a call may be', async () => {
  const sizes = fc.array(fc.oneof({ weight: 40, arbitrary: fc.constant(10) }, { weight: 1, arbitrary: fc.constant(MIB) }), {
    minLength: 900,
    maxLength: 4000,
  })
  await fc.assert(
    fc.asyncProperty(sizes, async (given) => {
      const rows = given.map(rowOf)
      const batches = await batchesOf(rows)
      expect(batches.flatMap((batch) => batch.rows)).toEqual(rows)
      for (const batch of batches) {
        expect(batch.rows.length).toBeLessThanOrEqual(1000)
        expect(batch.rows.reduce((sum, { raw }) => sum + raw.length, 0)).toBeLessThanOrEqual(MIB + 10_000)
      }
    }),
    { numRuns: 20 },
  )
})

test('Whoever begins anew behind any batch makes the same ones', async () => {
  const rows = Array.from({ length: 3500 }, (_, index) => rowOf(index % 500 === 7 ? MIB / 2 : 20, index))
  const batches = await batchesOf(rows)
  for (const [index, { end }] of batches.entries()) {
    expect(await batchesOf(rows.slice(end.bytes + 1), index + 1)).toEqual(batches.slice(index + 1))
  }
})
