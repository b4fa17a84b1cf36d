import type { Step } from '../../src/domain/plan.ts'
import { nextMove, type Route, type Try, type Turn } from '../../src/domain/route.ts'
import type { RouteNode } from '../../src/domain/route-tree.ts'
import { fromNow, NOW } from './snapshot.ts'

export const step = (providerId: string, channel: Step['channel'] = 'EMAIL', address = 'a'): Step => ({
  channel,
  providerId,
  kind: 'k',
  address: { id: address },
})
export const tried = (outcome: Try['outcome'], more: Partial<Try> = {}): Try => ({
  outcome,
  rejected: null,
  error: `${outcome}`,
  startedAt: NOW,
  endedAt: NOW,
  ...more,
})
export const underWay = tried(null, { error: null, endedAt: null })
export const refused = (rejected: Try['rejected'], more: Partial<Try> = {}) => tried('REJECTED', { rejected, ...more })
export const [first, second, inbox] = [step('first'), step('second'), step('inbox', 'INBOX')]

type Branch = Step | RouteNode
const branch = (method: 'SINGLE' | 'ALL', nodes: readonly Branch[]): RouteNode => ({
  kind: 'branch',
  method,
  nodes: nodes.map((node) =>
    'kind' in node && (node.kind === 'step' || node.kind === 'branch') ? node : { kind: 'step', step: node },
  ) as RouteNode[],
})
export const single = (...nodes: Branch[]) => branch('SINGLE', nodes)
export const all = (...nodes: Branch[]) => branch('ALL', nodes)

/** A step, its attempts, and in how many milliseconds it may be tried again. */
export type Given = readonly [Step, readonly Try[], number?]

export function routeOf(turns: readonly Given[], tree: RouteNode, more: Partial<Route> = {}): Route {
  const turnOf = (one: Step): Turn => {
    const [, attempts = [], inMs] = turns.find(([candidate]) => candidate === one) ?? []
    return { attempts, nextAttemptAt: inMs === undefined ? null : fromNow(inMs) }
  }
  return {
    tree,
    turnOf,
    onUnknown: () => 'RESEND',
    passedOverUntil: () => null,
    isBusy: () => false,
    timeLeftMs: () => 60_000,
    end: { at: fromNow(1_000_000), reason: 'TIMED_OUT' },
    now: NOW,
    ...more,
  }
}

export const move = (turns: readonly Given[], tree: RouteNode = single(first, second, inbox), more: Partial<Route> = {}) =>
  nextMove(routeOf(turns, tree, more))
export const tries = (...steps: Step[]) => ({ kind: 'try', steps })
export const waits = (ms: number) => ({ kind: 'wait', until: fromNow(ms) })
export const DONE = { kind: 'done' }
