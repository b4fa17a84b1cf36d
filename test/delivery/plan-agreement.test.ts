import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Rendered } from '../../src/channels/provider.ts'
import type { Decision } from '../../src/domain/plan.ts'
import type { MessagePlan, SendPlan } from '../../src/domain/plan-send.ts'
import { Refusal } from '../../src/errors.ts'
import { isFull } from '../support/scale.ts'
import { type Configuration, configuration, NOW } from './configuration.ts'
import { type Circumstances, faultsOf, firstOf, keyOf, leavesOf, type Tree, treeOf } from './foreseen-calls.ts'
import { openRehearsal, type Standing } from './rehearsal.ts'

/** The long form: `PLANS=5000 vitest run test/delivery/plan-agreement.test.ts`. */
const PLANS = Number(process.env.PLANS ?? (isFull ? 5_000 : 150))
const MINUTE_MS = 60_000

let stage: Awaited<ReturnType<typeof openRehearsal>>
beforeAll(async () => {
  stage = await openRehearsal()
})
afterAll(() => stage.close())

test(`A plan says what the send does, in each of ${PLANS} random configurations`, {
  timeout: MINUTE_MS + PLANS * 200,
}, async () => {
  await fc.assert(fc.asyncProperty(configuration, agree), { numRuns: PLANS })
})

test('A plan writes nothing: where it was made, nothing can be written', async () => {
  await expect(sql`delete from job`.execute(stage.readOnly)).rejects.toThrow('read-only transaction')
})

async function agree(configuration: Configuration): Promise<void> {
  const environmentId = await stage.furnish(configuration)
  const planned = await refusalOr(stage.plan(environmentId, configuration))
  expect(stage.calls).toEqual([])
  const sent = await refusalOr(stage.send(environmentId, configuration))
  if (planned instanceof Refusal || sent instanceof Refusal) {
    expect(said(sent)).toEqual(said(planned))
    return
  }
  try {
    compareAll(configuration, planned, await play(environmentId))
  } finally {
    await stage.forget()
  }
}

const refusalOr = <T>(work: Promise<T>): Promise<T | Refusal> =>
  work.catch((error: unknown) => {
    if (error instanceof Refusal) return error
    throw error
  })

const said = (refusal: unknown) => (refusal instanceof Refusal ? [refusal.code, refusal.message] : 'taken')

/** How a message stood when it was first more than ENQUEUED, and how it stood in the end. */
interface Story {
  readonly first: Standing
  readonly last: Standing
}

/** When delays end; what waits for an account that fails is looked at again in between. */
const MOMENTS_MIN = [0, 5, 10, 20]
const STEP_MS = 3_000
const STEPS = 8

async function play(environmentId: string): Promise<readonly Story[]> {
  const firsts = new Map<string, Standing>()
  let all: readonly Standing[] = []
  for (const minutes of MOMENTS_MIN) {
    for (let step = 0; step < STEPS; step += 1) {
      const at = new Date(NOW.getTime() + minutes * MINUTE_MS + step * STEP_MS)
      const isDue = ({ waits, scheduledFor }: Standing) => waits && (scheduledFor === null || scheduledFor <= at)
      if (at > NOW && !all.some(isDue)) break
      all = await stage.playAt(environmentId, at)
      for (const one of all) if (one.first !== null && !firsts.has(one.id)) firsts.set(one.id, one)
    }
  }
  return all.map((last) => ({ first: firsts.get(last.id) ?? last, last }))
}

function compareAll(configuration: Configuration, planned: SendPlan, stories: readonly Story[]): void {
  expect(stories).toHaveLength(planned.recipients)
  const byName = new Map(stories.map((story) => [story.first.userId ?? story.first.recipient, story]))
  expect(planned.messages.map(({ userId, recipient }) => userId ?? recipient).sort()).toEqual([...byName.keys()].sort())
  for (const message of planned.messages) compare(configuration, message, byName.get(message.userId ?? message.recipient)!)
}

function compare(configuration: Configuration, planned: MessagePlan, { first, last }: Story): void {
  const kept = first.decisions ?? []
  expect({
    recipient: first.recipient,
    outcome: first.first?.status,
    reason: first.first?.reason,
    scheduledFor: first.scheduledFor,
    decisions: asked(kept),
  }).toEqual({
    recipient: planned.recipient,
    outcome: planned.outcome,
    reason: planned.reason,
    scheduledFor: planned.scheduledFor,
    decisions: asked(planned.decisions),
  })
  // A plan renders for every account that it has steps for, a send for those that it comes to.
  expect(planned.decisions).toEqual(expect.arrayContaining(kept.filter(({ rule }) => rule === 'render')))
  if (planned.reason === 'RENDER_ERROR') expect(kept.at(-1)).toEqual(planned.decisions.at(-1))
  compareOutputs(planned, last)
  const isLeft = planned.outcome === 'DELAYED' && (last.waits || configuration.limits.length > 0)
  if (!isLeft) compareCalls(configuration, planned, last)
}

/**
 * A delay that is over says when it was asked: a message that waits for its only account is asked again. How an account does
 * at the moment of the call is no matter of the plan.
 */
const asked = (decisions: readonly Decision[]) =>
  decisions
    .filter(({ rule }) => rule !== 'render' && rule !== 'health')
    .map((decision) => (decision.rule === 'delay' && decision.passed ? { ...decision, detail: null } : decision))

function compareOutputs({ steps }: MessagePlan, { outputs }: Standing): void {
  for (const [channel, content] of Object.entries(outputs ?? {})) {
    const planned = steps.find((step) => step.channel === channel && step.output !== null)
    expect(withoutId(content), channel).toEqual(planned?.output && withoutId(planned.output))
  }
}

/** The message has its id only once it is there. */
function withoutId(content: Rendered): Rendered {
  const payload = content.payload as { readonly messageId?: string } | undefined
  return payload?.messageId === undefined ? content : { ...content, payload: { ...payload, messageId: 'msg' } }
}

function compareCalls(configuration: Configuration, planned: MessagePlan, last: Standing): void {
  const { steps } = planned
  expect([...new Set(steps.map(keyOf))]).toEqual([...new Set(leavesOf(treeOf(configuration, steps)).map(({ key }) => key))])
  // What does not render is as good as not there.
  const tree = treeOf(
    configuration,
    steps.filter(({ output }) => output !== null),
  )
  const known = new Set(leavesOf(tree).map(({ key }) => key))
  const called = last.status === 'SIMULATED' ? last.deliveries : last.calls
  expect(called.filter((call) => !known.has(keyOf(call)))).toEqual([])
  const circumstances = circumstancesOf(configuration)
  const first = firstCalls(tree, planned, last, circumstances)
  if (first !== null) expect(new Set(called.slice(0, first.size).map(keyOf))).toEqual(first)
  if (last.status === 'SIMULATED') expect(called).toHaveLength(first!.size)
  else if (!isRouted(planned)) expect(called).toEqual([])
  else if (known.size > 0) compareEnd(tree, last, circumstances)
  else if (steps.length > 0) expect(last).toMatchObject({ status: 'UNDELIVERABLE', reason: 'RENDER_ERROR' })
}

const NOTHING: ReadonlySet<string> = new Set()

const isRouted = ({ outcome }: MessagePlan) => outcome === 'ROUTED' || outcome === 'DELAYED'

/** What is called before anything is answered. Null where an account that failed is asked first whether it works again. */
function firstCalls(
  tree: Tree,
  { outcome }: MessagePlan,
  { status }: Standing,
  { isOpen }: Circumstances,
): ReadonlySet<string> | null {
  if (outcome !== 'ROUTED' && outcome !== 'DELAYED') return NOTHING
  const open = firstOf(tree, isOpen)
  const whole = firstOf(tree, () => true)
  if (outcome === 'ROUTED' && open.size > 0) return open
  const isProbed = leavesOf(tree).some(({ step }) => !isOpen(step))
  return isProbed && status !== 'SIMULATED' ? null : whole
}

function compareEnd(tree: Tree, { calls, status, waits }: Standing, circumstances: Circumstances): void {
  expect(waits).toBe(false)
  expect(faultsOf(tree, calls, circumstances)).toEqual([])
  expect(status).toBe(calls.some((call) => circumstances.answerOf(call) === 'accepted') ? 'SENT' : 'UNDELIVERABLE')
}

/** Of the places that a configuration may name, one is a service of the user's own. */
const isUserNamed: Circumstances['isUserNamed'] = ({ address }) => address.startsWith('https://hooks.slack.com/')

function circumstancesOf({ accounts }: Configuration): Circumstances {
  const known = new Map(accounts.map((one) => [one.id, one]))
  return {
    answerOf: ({ providerId }) => known.get(providerId)?.answer ?? 'accepted',
    isUserNamed,
    isOpen: (step) => known.get(step.providerId)?.health !== 'FAILING' || isUserNamed(step),
  }
}
