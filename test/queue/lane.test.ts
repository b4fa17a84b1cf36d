import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LaneRunner, type Seat } from '../../src/queue/lane.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A lane with one job, which tells it something and ends; and when the lane looked for jobs, in ms. */
async function laneWith(tell: (seat: Seat) => void) {
  const started = performance.now()
  const looks: number[] = []
  const jobs = ['job']
  const lane = new LaneRunner<string>({
    slots: () => 1,
    claim: async () => {
      looks.push(Math.round(performance.now() - started))
      return jobs.splice(0)
    },
    perform: async (_job, seat) => tell(seat),
    giveBack: async () => {},
  })
  lane.start()
  await vi.advanceTimersByTimeAsync(0)
  looks.length = 0
  return { lane, looks }
}

test('a lane looks for a job that was put back when it is due, the earliest first', async () => {
  const { lane, looks } = await laneWith(({ comesBack }) => {
    comesBack(700)
    comesBack(250)
    comesBack(400)
  })
  await vi.advanceTimersByTimeAsync(600)
  expect(looks).toEqual([255])
  await lane.stop()
})

test('a lane looks by itself for what comes back later, and for nothing once it is stopped', async () => {
  const { lane, looks } = await laneWith(({ comesBack }) => comesBack(60_000))
  await vi.advanceTimersByTimeAsync(2_500)
  expect(looks).toEqual([1_000, 2_000])
  await lane.stop()
  await vi.advanceTimersByTimeAsync(120_000)
  expect(looks).toEqual([1_000, 2_000])
})

test('a lane lets four jobs wait outside for each of its slots, and what would be one more keeps its own', async () => {
  const ended = new AbortController()
  let claimed = 0
  let performed = 0
  const lane = new LaneRunner<number>({
    slots: () => 2,
    claim: async (limit) => (claimed < 100 ? Array.from({ length: limit }, () => claimed++) : []),
    perform: async (_job, { leaveSlot }) => {
      performed += 1
      setTimeout(leaveSlot, 10)
      await new Promise((resolve) => ended.signal.addEventListener('abort', resolve))
    },
    giveBack: async () => {},
  })
  lane.start()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(performed).toBe(2 + 2 * 4)
  await lane.stop()
  ended.abort()
  await lane.finished()
})
