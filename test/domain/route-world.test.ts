import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Step } from '../../src/domain/plan.ts'
import { QUICK_MS, type Try } from '../../src/domain/route.ts'
import { type RouteNode, stepsOf } from '../../src/domain/route-tree.ts'
import { type Given, move, refused, tried } from './route-turns.ts'
import { isPlain, play, trees, worlds } from './route-world.ts'
import { NOW } from './snapshot.ts'

describe('Whatever was answered,', () => {
  const outcome = fc.constantFrom<Try>(
    tried('RETRY'),
    tried('UNKNOWN'),
    tried('MISCONFIGURED'),
    ...(['address', 'content', 'request'] as const).map((rejected) => refused(rejected)),
  )

  test('a step that was refused for good is never tried again, and nothing is tried before its time', () => {
    const turn = fc.record({
      attempts: fc.array(outcome, { maxLength: 4 }),
      rest: fc.option(fc.integer({ min: -5_000, max: 100_000 })),
    })
    fc.assert(
      fc.property(trees, fc.array(turn, { minLength: 1 }), (tree, given) => {
        const turns = [...new Set(stepsOf(tree))].map((one, index): Given => {
          const { attempts, rest } = given[index % given.length]!
          return rest === null ? [one, attempts] : [one, attempts, rest]
        })
        const next = move(turns, tree)
        if (next.kind === 'wait') expect(next.until.getTime()).toBeGreaterThan(NOW.getTime())
        for (const one of next.kind === 'try' ? next.steps : []) {
          const [, attempts, rest = 0] = turns.find(([candidate]) => candidate === one)!
          expect(['REJECTED', 'MISCONFIGURED']).not.toContain(attempts.at(-1)?.outcome)
          expect(rest).toBeLessThanOrEqual(0)
        }
      }),
    )
  })

  test('no step holds more than two attempts of which nobody knows the outcome', () => {
    fc.assert(
      fc.property(trees, fc.array(outcome, { maxLength: 40 }), (tree, answers) => {
        const turns = new Map<Step, readonly Try[]>()
        for (const answer of answers) {
          const next = move([...turns], tree)
          if (next.kind !== 'try') break
          for (const one of next.steps) turns.set(one, [...(turns.get(one) ?? []), answer])
        }
        for (const attempts of turns.values()) {
          expect(attempts.filter((attempt) => attempt.outcome === 'UNKNOWN').length).toBeLessThanOrEqual(2)
        }
      }),
    )
  })

  test('a world that refuses everything for good is left in at most one try for each step', () => {
    const final = fc.constantFrom<Try>(
      tried('MISCONFIGURED'),
      ...(['address', 'content', 'request'] as const).map((rejected) => refused(rejected)),
    )
    fc.assert(
      fc.property(trees, fc.infiniteStream(final), (tree, answers) => {
        const turns = new Map<Step, readonly Try[]>()
        for (;;) {
          const next = move([...turns], tree)
          if (next.kind !== 'try') {
            expect(next.kind).toBe('fail')
            return
          }
          for (const one of next.steps) {
            expect([...turns.keys()]).not.toContain(one)
            turns.set(one, [answers.next().value!])
          }
        }
      }),
    )
  })

  test('a message comes to its end, tries nothing that is over, and goes on from nothing but what was tried', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { last, attempts, accepted, endedAt } = play(world)
        expect(last.kind).toBe(accepted.length > 0 ? 'done' : 'fail')
        expect(endedAt.getTime() - NOW.getTime()).toBeLessThanOrEqual(world.lastsMs)
        // Of each two tries the second is followed by a rest of two seconds or more; a crash is followed by none.
        const most = 2 * Math.ceil(world.lastsMs / QUICK_MS) + 4
        for (const count of attempts) expect(count).toBeLessThanOrEqual(most)
      }),
      { numRuns: 500 },
    )
  })

  test('a SINGLE is taken by one of its nodes at most', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        fc.pre(isPlain(world.tree))
        const { accepted } = play(world)
        const check = (node: RouteNode): void => {
          if (node.kind === 'step') return
          const took = node.nodes.filter((inner) => stepsOf(inner).some((one) => accepted.includes(one)))
          if (node.method === 'SINGLE') expect(took.length).toBeLessThanOrEqual(1)
          node.nodes.forEach(check)
        }
        check(world.tree)
      }),
    )
  })
})
