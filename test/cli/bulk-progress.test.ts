import { describe, expect, test } from 'vitest'
import { createMeter, type Progress, progressLine } from '../../src/cli/bulk-progress.ts'

const at = (count: number, fraction: number | null = count / 1000, note = ''): Progress => ({
  label: 'Adding',
  fraction,
  count,
  total: null,
  note,
})

describe('A line of progress', () => {
  test.each<[string, Progress, Progress, number, string]>([
    [
      'has a bar, count, rate and remaining time',
      at(0),
      at(250),
      5000,
      '  Adding    [██████                  ]   25%  250  50/s  15 s left',
    ],
    [
      'counts from where it began for rate and remaining time',
      at(500),
      at(750),
      5000,
      '  Adding    [██████████████████      ]   75%  750  50/s  5 s left',
    ],
    ['tells no remaining time of what just began', at(0), at(10), 100, '  Adding    [                        ]    1%  10  100/s'],
    ['has no bar where nobody knows how much there is', at(0, null), at(250, null), 5000, '  Adding    250  50/s'],
    [
      'ends with what there is to note',
      at(0),
      at(1000, 1, '3 rejected'),
      5000,
      '  Adding    [████████████████████████]  100%  1,000  200/s  3 rejected',
    ],
    [
      'tells the total where it is known',
      at(0),
      { ...at(1000, 1 / 3), total: 3000 },
      100_000,
      '  Adding    [████████                ]   33%  1,000 of 3,000  10/s  3 min 21 s left',
    ],
    [
      'tells of minutes and hours',
      at(0),
      at(100, 0.001),
      10_000,
      '  Adding    [                        ]    0%  100  10/s  2 h 46 min left',
    ],
  ])('%s', (_what, from, progress, elapsedMs, line) => {
    expect(progressLine(from, progress, elapsedMs, 200)).toBe(line)
  })
})

test.each([
  [100, '  Adding    [██████                  ]   25%  1,000 of 4,000  10/s  5 min 00 s left'],
  [69, '  Adding    [██        ]   25%  1,000 of 4,000  10/s  5 min 00 s left'],
  [60, '  Adding     25%  1,000 of 4,000  10/s  5 min 00 s left'],
  [40, '  Adding     25%  1,000 of 4,000  10/s  '],
])('Of %i columns the bar gives way first', (width, line) => {
  expect(progressLine(at(0), { ...at(1000, 0.25), total: 4000 }, 100_000, width)).toBe(line)
})

/** What a meter writes, with a clock that goes 100 ms with each step. */
function drawn(isTTY: boolean, steps: number, step: (index: number) => Progress): string[] {
  const written: string[] = []
  let now = 0
  const meter = createMeter({ isTTY, columns: 60, write: (text) => written.push(text) }, () => now)
  meter.begin(step(0))
  for (let index = 1; index <= steps; index += 1) {
    now += 100
    meter.show(step(index))
  }
  meter.end()
  return written
}

test('On a terminal one line is drawn again, no wider than it is', () => {
  const written = drawn(true, 10, (index) => at(index * 100))
  // Ten, the last of which is not drawn once more at the end, and the line's end.
  expect(written.length).toBe(11)
  for (const one of written.slice(0, 10)) {
    expect(one.startsWith('\r\x1b[K')).toBe(true)
    expect(one.length - 4).toBeLessThan(60)
  }
  expect(written.at(-1)).toBe('\n')
})

test('Elsewhere there is a line every five seconds, and one at the end', () => {
  const written = drawn(false, 120, (index) => at(index))
  expect(written.length).toBe(3)
  for (const one of written) expect(one).toMatch(/^ {2}Adding .*\n$/)
})

test('Rate and remaining time follow what grows faster', () => {
  const written = drawn(false, 1000, (index) => at(index <= 500 ? index : 500 + (index - 500) * 10, index / 2000))
  expect(written[8]).toContain('  10/s')
  expect(written.at(-1)).toContain('  100/s')
})
