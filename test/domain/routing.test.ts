import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHANNELS } from '../../src/channels/provider.ts'
import { checkRouting, ROUTING_METHODS, type RoutingInput, type RoutingStepInput } from '../../src/domain/routing.ts'
import { Refusal } from '../../src/errors.ts'

const PATH = ['input', 'routing'] as const
const single = (...channels: RoutingStepInput[]): RoutingInput => ({ method: 'SINGLE', channels })
const email: RoutingStepInput = { channel: 'EMAIL' }
const steps = (count: number) => Array.from({ length: count }, () => email)
/** A tree of so many levels, with one channel at its end. */
const nested = (levels: number): RoutingInput => (levels === 1 ? single(email) : single({ routing: nested(levels - 1) }))

function refusedAt(input: RoutingInput): string | null {
  try {
    checkRouting(input, PATH)
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal)
    const { code, issues } = error as Refusal
    expect([code, issues.length]).toEqual(['BAD_USER_INPUT', 1])
    return issues[0]!.path.join('.')
  }
}

describe('A routing', () => {
  test('is kept as it was said, channels, accounts and trees mixed', () => {
    const tree = single(
      { routing: { method: 'ALL', channels: [{ channel: 'PUSH' }, { channel: 'INBOX' }] } },
      { providerId: 'ses-1' },
    )
    expect(checkRouting(tree, PATH)).toEqual(tree)
  })

  test('is kept without the nulls that a caller may write beside', () => {
    const step = { channel: 'SMS', providerId: null, routing: null } as const
    expect(checkRouting(single(step), PATH)).toEqual(single({ channel: 'SMS' }))
  })

  test.each<[string, RoutingInput, string]>([
    ['no steps', single(), 'input.routing.channels'],
    ['no steps in a tree within', single(email, { routing: single() }), 'input.routing.channels.1.routing.channels'],
    ['21 steps', single(...steps(21)), 'input.routing.channels'],
    ['six levels', nested(6), `input.routing${'.channels.0.routing'.repeat(5)}`],
    ['51 channels', single(...[20, 20, 11].map((count) => ({ routing: single(...steps(count)) }))), 'input.routing'],
    ['a step of nothing', single(email, {}), 'input.routing.channels.1'],
    ['an id that no account can have', single({ providerId: '../x' }), 'input.routing.channels.0.providerId'],
    ['an empty id', single({ providerId: '' }), 'input.routing.channels.0.providerId'],
    ['an id with a line break', single({ providerId: 'ses\n' }), 'input.routing.channels.0.providerId'],
  ])('of %s is refused with its place', (_name, input, path) => {
    expect(refusedAt(input)).toBe(path)
  })

  test.each([
    ['20 steps', single(...steps(20))],
    ['five levels', nested(5)],
    ['50 channels', single(...[20, 20, 10].map((count) => ({ routing: single(...steps(count)) })))],
    ['an account that nobody made', single({ providerId: 'nobody' })],
  ])('of %s is taken', (_name, input) => {
    expect(checkRouting(input, PATH)).toEqual(input)
  })

  test('that was taken is taken again as it is kept', () => {
    const method = fc.constantFrom(...ROUTING_METHODS)
    const leaf = fc.oneof(
      fc.constantFrom(...CHANNELS).map((channel) => ({ channel })),
      fc.constant({ providerId: 'one' }),
    )
    const { tree } = fc.letrec<{ tree: RoutingInput; step: RoutingStepInput }>((tie) => ({
      step: fc.oneof({ maxDepth: 5 }, leaf, fc.record({ routing: tie('tree') })),
      tree: fc.record({ method, channels: fc.array(tie('step'), { maxLength: 6 }) }),
    }))
    fc.assert(
      fc.property(tree, (input) => {
        if (refusedAt(input) !== null) return
        const kept = checkRouting(input, PATH)
        expect(kept).toEqual(input)
        expect(checkRouting(kept, PATH)).toEqual(kept)
      }),
    )
  })
})
