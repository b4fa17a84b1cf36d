import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { groupWrites } from '../../src/store/group.ts'

/** A writer whose groups are seen, and end when the test says so. */
function gate() {
  const groups: number[][] = []
  let open = () => {}
  const run = async (inputs: readonly number[]) => {
    groups.push([...inputs])
    await new Promise<void>((resolve) => {
      open = resolve
    })
    return inputs.map((input) => input * 2)
  }
  return { groups, run, release: () => open() }
}

describe('Grouped writes', () => {
  test('write a lone input at once and alone', async () => {
    const groups: number[][] = []
    const write = groupWrites<number, number>(
      async (inputs) => {
        groups.push([...inputs])
        return inputs
      },
      { maxSize: 10 },
    )
    expect(await write(1)).toBe(1)
    expect(await write(2)).toBe(2)
    expect(groups).toEqual([[1], [2]])
  })

  test('have one group in flight; what arrives meanwhile forms the next, at most maxSize', async () => {
    const { groups, run, release } = gate()
    const write = groupWrites(run, { maxSize: 3 })
    const first = write(1)
    await expect.poll(() => groups.length).toBe(1)
    const others = [2, 3, 4, 5].map(write)
    release()
    expect(await first).toBe(2)
    await expect.poll(() => groups.length).toBe(2)
    release()
    await expect.poll(() => groups.length).toBe(3)
    release()
    expect(await Promise.all(others)).toEqual([4, 6, 8, 10])
    expect(groups).toEqual([[1], [2, 3, 4], [5]])
  })

  test('let nobody pay for another’s input', async () => {
    const write = groupWrites<number, number>(
      async (inputs) => {
        if (inputs.includes(13)) throw new Error('thirteen')
        return inputs
      },
      { maxSize: 10 },
    )
    const results = await Promise.allSettled([12, 13, 14].map(write))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('repeat after a lost connection only what may be written twice: it may have been committed', async () => {
    const groups: number[][] = []
    const write = groupWrites<number, number>(
      async (inputs) => {
        groups.push([...inputs])
        if (groups.length === 1) throw new Error('Connection terminated unexpectedly')
        return inputs
      },
      { maxSize: 10, repeatable: (input) => input % 2 === 0 },
    )
    const results = await Promise.allSettled([1, 2, 3, 4].map(write))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(groups).toEqual([
      [1, 2, 3, 4],
      [2, 4],
    ])
  })

  test('take an answer of the wrong length for a fault', async () => {
    const write = groupWrites<number, number>(async () => [], { maxSize: 10 })
    await expect(write(1)).rejects.toThrow('A group of 1 was answered with 0 outputs.')
  })

  test('answer each caller with its own output, once, in order, whatever fails and whenever they call', async () => {
    const calls = fc.array(fc.record({ poisoned: fc.boolean(), turns: fc.nat({ max: 3 }) }), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(calls, fc.integer({ min: 1, max: 8 }), async (inputs, maxSize) => {
        const written: number[] = []
        let inFlight = 0
        const write = groupWrites<number, string>(
          async (group) => {
            expect(++inFlight).toBe(1)
            expect(group.length).toBeLessThanOrEqual(maxSize)
            await new Promise(setImmediate)
            inFlight--
            if (group.some((index) => inputs[index]?.poisoned)) throw new Error('poisoned')
            written.push(...group)
            return group.map((index) => `done ${index}`)
          },
          { maxSize },
        )

        const results: Promise<PromiseSettledResult<string>[]>[] = []
        for (const [index, { turns }] of inputs.entries()) {
          for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
          results.push(Promise.allSettled([write(index)]))
        }
        const settled = (await Promise.all(results)).flat()
        expect(settled.map((result) => (result.status === 'fulfilled' ? result.value : 'refused'))).toEqual(
          inputs.map(({ poisoned }, index) => (poisoned ? 'refused' : `done ${index}`)),
        )
        expect(written).toEqual(inputs.flatMap(({ poisoned }, index) => (poisoned ? [] : [index])))
      }),
      { numRuns: 200 },
    )
  })
})
