import { describe, expect, test } from 'vitest'
import { findInSlices } from '../../src/domain/slice.ts'

const ITEM_MS = 2
/** What starts within 5 ms: the first at once, the others after 2 and 4. */
const IN_A_SLICE = 3

function busy(): null {
  for (const since = performance.now(); performance.now() - since < ITEM_MS; );
  return null
}

describe('What takes long is done in slices', () => {
  test('Others have a turn after each, however many work at once', async () => {
    let inThisTurn = 0
    let longest = 0
    let works = true
    const next = () => {
      longest = Math.max(longest, inThisTurn)
      inThisTurn = 0
      if (works) setImmediate(next)
    }
    const work = () =>
      findInSlices(Array(20).fill(0), () => {
        inThisTurn += 1
        return busy()
      })
    const all = [work(), work(), work()]
    inThisTurn = 0
    setImmediate(next)
    expect(await Promise.all(all)).toEqual([null, null, null])
    works = false
    expect(longest).toBeGreaterThan(0)
    expect(longest).toBeLessThanOrEqual(IN_A_SLICE)
  })

  test('The first that says something is the answer, and nothing after it is asked', async () => {
    const asked: number[] = []
    const found = await findInSlices([1, 2, 3, 4], (item) => {
      asked.push(item)
      return item === 3 ? 'three' : busy()
    })
    expect([found, asked]).toEqual(['three', [1, 2, 3]])
  })
})
