import { describe, expect, test } from 'vitest'
import { MOST_TRIES, restBefore } from '../../src/domain/webhook-retry.ts'

const HOUR = 3_600_000
const START = new Date('2026-11-21T10:00:00Z')

/** The rests between the calls of an event that nobody takes, each as long as it is asked for. */
function rests(random: number, retryAfterMs = 0): readonly number[] {
  const found: number[] = []
  let now = START.getTime()
  for (let count = 1; ; count += 1) {
    const rest = restBefore({ count, firstAt: START }, retryAfterMs, new Date(now), random)
    if (rest === null) return found
    found.push(rest)
    now += rest
  }
}

describe('An event that its endpoint does not take', () => {
  test('is called for at once, after 5 s, 1 and 5 and 30 min, and 2, 5, 10, 14, 20 and 20 h', () => {
    expect(rests(0).map((ms) => ms / 1_000)).toEqual([5, 60, 300, 1_800, ...[2, 5, 10, 14, 20, 20].map((hours) => hours * 3_600)])
    expect(rests(0)).toHaveLength(MOST_TRIES - 1)
  })

  test('comes up to a fifth earlier, by chance', () => {
    expect(rests(0.5)[1]).toBe(54_000)
    expect(rests(0.999_999)[1]).toBeLessThanOrEqual(48_001)
    expect(rests(0.999_999)[1]).toBeGreaterThanOrEqual(48_000)
  })

  test.each([0, 0.5, 0.999])('is given up within three days, whatever chance says (%d)', (random) => {
    const total = rests(random).reduce((sum, ms) => sum + ms, 0)
    expect(total).toBeLessThanOrEqual(72 * HOUR)
    expect(total).toBeGreaterThan(57 * HOUR)
  })

  test('rests at least as long as the endpoint asks, and never beyond its three days', () => {
    const tries = { count: 1, firstAt: START }
    expect(restBefore(tries, 120_000, START, 0.9)).toBe(120_000)
    expect(restBefore(tries, 1_000, START, 0)).toBe(5_000)
    const late = new Date(START.getTime() + 70 * HOUR)
    expect(restBefore({ ...tries, count: 3 }, 72 * HOUR, late, 0)).toBe(2 * HOUR)
    expect(rests(0, 30 * HOUR)).toEqual([30 * HOUR, 30 * HOUR, 12 * HOUR])
  })

  test('is called once more where it rested beyond its three days, behind others of its endpoint', () => {
    const late = new Date(START.getTime() + 80 * HOUR)
    expect(restBefore({ count: 2, firstAt: START }, 0, late, 0)).toBeNull()
    expect(restBefore({ count: 1, firstAt: late }, 0, late, 0)).toBe(5_000)
  })
})
