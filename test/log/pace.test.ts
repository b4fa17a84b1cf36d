import { expect, test } from 'vitest'
import { createPace, type Pace } from '../../src/log/pace.ts'

const EVENTS = 64
const PER_TURN = 32

/** Takes all its events as a follower does: one after the other, waiting when the turn is used up. */
async function follow(pace: Pace, take: () => void): Promise<void> {
  for (let event = 0; event < EVENTS; event += 1) {
    while (pace.spent) await new Promise<void>((resumed) => pace.wait(resumed))
    pace.spend()
    take()
    await null
  }
}

test('a turn holds no more deliveries than allowed', async () => {
  const pace = createPace(PER_TURN)
  let taken = 0
  let most = 0
  const turn = () => new Promise((turned) => setImmediate(turned))
  const done = Promise.all(Array.from({ length: 8 }, () => follow(pace, () => (taken += 1))))
  // What was at hand when they began, and the first turn.
  await turn()
  expect(taken).toBeLessThanOrEqual(2 * PER_TURN)
  for (let before = taken; taken < 8 * EVENTS; before = taken) {
    await turn()
    most = Math.max(most, taken - before)
  }
  await done
  expect(most).toBeLessThanOrEqual(PER_TURN)
})

test('a turn goes to few followers for many events each, so that these leave in one write', async () => {
  const pace = createPace(PER_TURN)
  const takers: number[] = []
  await Promise.all(Array.from({ length: 16 }, (_, follower) => follow(pace, () => takers.push(follower))))
  const turns = Array.from({ length: takers.length / PER_TURN }, (_, turn) =>
    takers.slice(turn * PER_TURN, (turn + 1) * PER_TURN),
  )
  for (const turn of turns.slice(1)) expect(new Set(turn).size).toBeLessThanOrEqual(4)
  expect(takers).toHaveLength(16 * EVENTS)
})
