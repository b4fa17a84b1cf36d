import {
  type DocumentNode,
  type FieldNode,
  type GraphQLDirective,
  GraphQLError,
  GraphQLIncludeDirective,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  getNamedType,
  getVariableValues,
  isInputType,
  type OperationDefinitionNode,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql'
import type { Actor } from '../domain/actor.ts'
import { Refusal } from '../errors.ts'
import { rootFields } from './document.ts'

/** How many calls of each mutation one caller has in a window; a mutation that is not among them has no limit. */
export type RateLimits = ReadonlyMap<string, number>

/**
 * Counts the calls of limited mutations in fixed windows: a window begins with a caller's first call of a mutation, and all it
 * may make within it may come at once.
 */
export interface RateLimiter {
  readonly limits: RateLimits
  /**
   * Takes all that is asked for, or nothing. Never fails and never waits for long: a limiter that loses what it counts with
   * goes on with what it has.
   *
   * @param caller who is counted, an API key or a user
   * @param calls how often each mutation is called; each of them has a limit
   */
  take(caller: string, calls: ReadonlyMap<string, number>): Promise<Verdict>
}

/** What became of an operation's calls: where they were taken, what is left of the limit that is the nearest. */
export type Verdict =
  | { readonly admitted: true; readonly limit: number; readonly remaining: number }
  | { readonly admitted: false; readonly field: string; readonly limit: number; readonly retryAfterSeconds: number }

export interface Counted {
  readonly document: DocumentNode
  readonly node: OperationDefinitionNode
  readonly variables: Readonly<Record<string, unknown>>
  readonly actor: Actor
}

/** To be asked before an operation is executed. Null: nothing it does is limited. */
export type CountCalls = (operation: Counted) => Promise<Verdict | null>

/** What a page must be allowed to read of an answer. */
export const RATE_HEADERS = 'X-RateLimit-Limit, X-RateLimit-Remaining, Retry-After'

/**
 * Counts fields, not requests, so that aliases win nothing: each field of the root that would be executed is a call. A call
 * counts whatever comes of it, the answer that an idempotency key repeats included.
 *
 * @param limiter absent: nothing is limited
 */
export function createCallCount(schema: GraphQLSchema, limiter: RateLimiter | undefined): CountCalls {
  if (limiter === undefined) return async () => null
  const concerns = new WeakMap<OperationDefinitionNode, boolean>()

  const isConcerned = ({ document, node }: Counted): boolean => {
    let concerned = concerns.get(node)
    if (concerned === undefined) {
      concerned = node.operation === 'mutation' && rootFields(document, node).some(({ name }) => limiter.limits.has(name.value))
      concerns.set(node, concerned)
    }
    return concerned
  }

  return async (operation) => {
    if (!isConcerned(operation)) return null
    const calls = callsOf(schema, operation, limiter.limits)
    return calls.size === 0 ? null : limiter.take(callerOf(operation.actor), calls)
  }
}

/** The headers that tell a caller how much it has left; Retry-After comes with the refusal. */
export function rateHeaders(verdict: Verdict): Readonly<Record<string, string>> {
  return {
    'x-ratelimit-limit': String(verdict.limit),
    'x-ratelimit-remaining': String(verdict.admitted ? verdict.remaining : 0),
  }
}

/** @throws Refusal RATE_LIMITED when the calls were not admitted */
export function refuseBeyondLimit(verdict: Verdict | null): void {
  if (verdict === null || verdict.admitted) return
  const { field, limit, retryAfterSeconds } = verdict
  throw new Refusal(
    'RATE_LIMITED',
    `The limit of ${field} is ${limit} a minute, and this request goes beyond it. Try again in ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  )
}

/** An API key, or a user whatever their token: a new token is no new limit. */
function callerOf(actor: Actor): string {
  const { environmentId } = actor
  if (actor.kind === 'key') return JSON.stringify([environmentId, 'key', actor.keyId])
  if (actor.userId !== null) return JSON.stringify([environmentId, 'user', actor.userId])
  return JSON.stringify([environmentId, 'follower', actor.requestIds, actor.jobIds])
}

/** Fields of one response key are executed once. */
function callsOf(schema: GraphQLSchema, operation: Counted, limits: RateLimits): ReadonlyMap<string, number> {
  const calls = new Map<string, number>()
  const fields = new Map(executedFields(schema, operation).map((field) => [(field.alias ?? field.name).value, field]))
  for (const { name } of fields.values()) {
    if (limits.has(name.value)) calls.set(name.value, (calls.get(name.value) ?? 0) + 1)
  }
  return calls
}

/** None where the value of a condition is wrong: GraphQL executes nothing then, and says so in its own words. */
function executedFields(schema: GraphQLSchema, operation: Counted): readonly FieldNode[] {
  const isIncluded = inclusionBy(schema, operation)
  if (isIncluded === null) return []
  try {
    return rootFields(operation.document, operation.node, isIncluded)
  } catch (error) {
    if (error instanceof GraphQLError) return []
    throw error
  }
}

type Selection = Parameters<typeof getDirectiveValues>[1]

/** What @skip and @include say of a selection; null when a variable of theirs has no fitting value. */
function inclusionBy(schema: GraphQLSchema, { node, variables }: Counted): ((selection: Selection) => boolean) | null {
  const conditions = (node.variableDefinitions ?? []).filter((definition) => isCondition(schema, definition))
  const { coerced } = getVariableValues(schema, conditions, variables)
  if (coerced === undefined) return null
  const condition = (directive: GraphQLDirective, selection: Selection): unknown =>
    getDirectiveValues(directive, selection, coerced)?.if
  return (selection) =>
    condition(GraphQLSkipDirective, selection) !== true && condition(GraphQLIncludeDirective, selection) !== false
}

/** Coercing an operation's other values is left to its execution: it may be a large piece of work. */
function isCondition(schema: GraphQLSchema, { type }: VariableDefinitionNode): boolean {
  const known = typeFromAST(schema, type as never)
  return isInputType(known) && getNamedType(known).name === 'Boolean'
}
