import { Refusal } from '../errors.ts'
import type { NewEvent } from '../log/event.ts'
import { fairnessOf } from '../queue/kinds.ts'
import { groupWrites } from '../store/group.ts'
import { insertMessages, type NewMessage, type NewRequest } from '../store/message.ts'
import { findMissing, type Reference } from '../store/reference.ts'
import type { TemplateVersions } from '../store/template.ts'
import { readOnlyTenants } from '../store/tenant.ts'
import { insertUsers, type NewUser } from '../store/user.ts'
import { type Call, type Commands, type GroupedCommand, type GroupScope, openResult, sealResult } from './command.ts'
import { messageIdOf } from './group.ts'
import { newId } from './id.ts'
import { type Claim, claimId, claimKeys, keepResults, releaseKeys, reused } from './idempotency.ts'
import { sealTokens } from './inline-token.ts'
import { type CheckedSend, type Definition, missing, modeOf, referencesOf, refuseLate } from './send.ts'
import { foresee, settleTemplates, Unjudged, type Verdict } from './template-use.ts'

export interface Sent {
  readonly requestId: string
  /** Null where there are several recipients, or a group. */
  readonly messageId: string | null
}

/** replayed: an earlier send with the same idempotency key was answered so. */
export interface Accepted extends Sent {
  readonly replayed: boolean
}

const MOST_IN_A_GROUP = 200
/** A send to more recipients than this takes a transaction of its own. */
const SHARES_ITS_GROUP = 20

/**
 * Commits sends: idempotency keys, users that are new, requests, the messages of persons and places, their jobs and their
 * first events. Groups are expanded in the background, by a job that is committed with them. Sends that come at the same time
 * share a transaction; one to many recipients does not make the others wait.
 *
 * Data are held against a template's schema before the transaction, by the version that was last seen, and again where the
 * transaction finds another one published: a process pays for that once a version.
 */
export function createAccept(
  commands: Commands,
  versions: TemplateVersions,
): (call: Call<CheckedSend>) => Promise<Accepted | Refusal> {
  const accept = acceptSends(versions)
  const together = groupWrites<SendCall, Outcome>((calls) => commands.runGroup(accept, calls), {
    maxSize: MOST_IN_A_GROUP,
    // Whatever was committed, a key is answered with it; without one, a second try would be a second message.
    repeatable: ({ key }) => key !== null,
  })

  async function attempt(call: SendCall): Promise<Outcome> {
    if (call.input.individuals.length <= SHARES_ITS_GROUP) return together(call)
    const [outcome] = await commands.runGroup(accept, [call])
    return outcome!
  }

  return async (call) => {
    let verdict = await foresee(versions, call.actor.environmentId, call.input)
    for (;;) {
      const outcome = await attempt(verdict === undefined ? call : { ...call, input: { ...call.input, verdict } })
      if (!(outcome instanceof Unjudged)) return outcome
      verdict = await outcome.judge()
    }
  }
}

interface JudgedSend extends CheckedSend {
  readonly verdict?: Verdict
}

type SendCall = Call<JudgedSend>
type Outcome = Accepted | Refusal | Unjudged<JudgedSend>
type Results = Map<SendCall, Outcome | Replay>

/** What is found out about calls before they are carried out. settled: of those that name a template, what they send by it. */
interface Admission {
  readonly scope: GroupScope
  readonly versions: TemplateVersions
  readonly results: Results
  readonly settled: Map<SendCall, CheckedSend>
}

function acceptSends(versions: TemplateVersions): GroupedCommand<JudgedSend, Exclude<Outcome, Refusal>> {
  return async (scope, calls) => {
    const admission: Admission = { scope, versions, results: new Map(), settled: new Map() }
    const fresh = await admit(admission, calls)
    await carryOut(admission, fresh)
    return calls.map((call) => follow(admission.results, call))
  }
}

async function carryOut({ scope, results, settled }: Admission, fresh: readonly SendCall[]): Promise<void> {
  const tenants = await inferTenants(scope, fresh)
  const accepted = fresh.map((call) => {
    const sends = { ...call, input: settled.get(call) ?? call.input }
    return { call, ...rowsOf(sends, tenants, scope) }
  })
  await insertUsers(
    scope.tx,
    accepted.flatMap(({ call }) => newUsers(call)),
  )
  await insertMessages(
    scope.tx,
    accepted.map(({ request }) => request),
    accepted.flatMap(({ messages }) => messages),
  )
  for (const { call, sent, request, messages } of accepted) {
    for (const message of messages) announce(scope, message)
    if (request.expansion !== null) enqueueExpansion(scope, request)
    results.set(call, { ...sent, replayed: false })
  }
  await keepResults(
    scope.tx,
    accepted.flatMap(({ call, sent }) => {
      const claim = claimOf(call)
      return claim ? [{ ...claim, result: sealResult(scope.vault, claim, sent) }] : []
    }),
  )
}

function announce(scope: GroupScope, message: NewMessage): void {
  const { environmentId, id: messageId, tenantId } = message
  scope.append(enqueuedEvent(message))
  scope.enqueue({ kind: 'deliver', payload: { environmentId, messageId }, fairnessKey: fairnessOf(environmentId, tenantId) })
}

function enqueueExpansion(scope: GroupScope, { environmentId, id: requestId }: NewRequest): void {
  scope.enqueue({
    kind: 'expand',
    payload: { environmentId, requestId },
    fairnessKey: `${fairnessOf(environmentId, null)}\nexpand`,
  })
}

/** A call that stands in the same group as the one whose key it repeats. */
class Replay {
  readonly first: SendCall
  constructor(first: SendCall) {
    this.first = first
  }
}

function follow(results: Results, call: SendCall): Outcome {
  const result = results.get(call)!
  if (!(result instanceof Replay)) return result
  const first = follow(results, result.first)
  return first instanceof Refusal || first instanceof Unjudged ? first : { ...first, replayed: true }
}

/**
 * The calls that are to be carried out; what the others are answered goes into results. A key is claimed once for all that
 * gave it: who gave it with another input than the first hears what the key holds once that is known. What names something
 * that is not there is refused, and what is not judged yet comes again: both leave their key unused.
 */
async function admit(admission: Admission, calls: readonly SendCall[]): Promise<readonly SendCall[]> {
  const { results } = admission
  let open = calls.filter((call) => call.key !== null)
  while (open.length > 0) {
    const firsts = new Map<string, SendCall>()
    const others: { call: SendCall; first: SendCall }[] = []
    for (const call of open) {
      const first = firsts.get(claimId(claimOf(call)!))
      if (first === undefined) firsts.set(claimId(claimOf(call)!), call)
      else if (first.key!.fingerprint === call.key!.fingerprint) results.set(call, new Replay(first))
      else others.push({ call, first })
    }
    await claimEach(admission, [...firsts.values()])
    const isTaken = (first: SendCall) => !results.has(first)
    for (const { call } of others.filter(({ first }) => isTaken(first))) results.set(call, reused())
    open = others.filter(({ first }) => !isTaken(first)).map(({ call }) => call)
  }
  await refuseLateOrMissing(
    admission,
    calls.filter((call) => call.key === null),
  )
  return calls.filter((call) => !results.has(call))
}

/** Claims the keys of calls, all different. Those without a result afterwards have theirs. */
async function claimEach(admission: Admission, calls: readonly SendCall[]): Promise<void> {
  const { scope, results } = admission
  const earlier = await claimKeys(
    scope.tx,
    calls.map((call) => claimOf(call)!),
  )
  for (const [index, call] of calls.entries()) {
    const found = earlier[index]
    if (found instanceof Refusal) results.set(call, found)
    else if (found) results.set(call, { ...openResult<Sent>(scope.vault, claimOf(call)!, found.result), replayed: true })
  }
  const claimed = calls.filter((call) => !results.has(call))
  await refuseLateOrMissing(admission, claimed)
  await releaseKeys(
    scope.tx,
    claimed.filter((call) => results.has(call)).map((call) => claimOf(call)!),
  )
}

async function refuseLateOrMissing(admission: Admission, calls: readonly SendCall[]): Promise<void> {
  const { scope, results } = admission
  for (const call of calls) {
    const late = refuseLate(call.input, scope.now)
    if (late) results.set(call, late)
  }
  const named = calls.flatMap((call): (Reference & { call: SendCall })[] =>
    referencesOf(call.actor.environmentId, call.input).map((reference) => ({ ...reference, call })),
  )
  for (const reference of await findMissing(scope.tx, named)) {
    if (!results.has(reference.call)) results.set(reference.call, missing(reference))
  }
  await settleEach(
    admission,
    calls.filter((call) => call.input.definition.template !== undefined && !results.has(call)),
  )
}

async function settleEach({ scope, versions, results, settled }: Admission, calls: readonly SendCall[]): Promise<void> {
  if (calls.length === 0) return
  const sends = calls.map(({ actor, input }) => ({ environmentId: actor.environmentId, input }))
  for (const [index, one] of (await settleTemplates(scope.tx, versions, sends)).entries()) {
    if (one instanceof Refusal || one instanceof Unjudged) results.set(calls[index]!, one)
    else settled.set(calls[index]!, one)
  }
}

function claimOf(call: SendCall): Claim | null {
  return call.key === null ? null : { environmentId: call.actor.environmentId, ...call.key }
}

type OnlyTenants = ReadonlyMap<string, ReadonlyMap<string, string>>

/** For each environment, the tenant of each user who is a member of exactly one. Asked for those to whom no other context was given. */
async function inferTenants(scope: GroupScope, calls: readonly SendCall[]): Promise<OnlyTenants> {
  const without = new Map<string, Set<string>>()
  for (const { actor, input } of calls) {
    if (input.definition.tenantId !== null) continue
    const ids = without.get(actor.environmentId) ?? new Set<string>()
    without.set(actor.environmentId, ids)
    for (const { userId, to } of input.individuals) if (userId !== null && to.tenantId == null) ids.add(userId)
  }
  const found = new Map<string, ReadonlyMap<string, string>>()
  for (const [environmentId, userIds] of without) {
    if (userIds.size > 0) found.set(environmentId, await readOnlyTenants(scope.tx, environmentId, [...userIds]))
  }
  return found
}

/** One person or place: the request's id is also its message's id. */
function rowsOf(
  { actor, input }: SendCall,
  tenants: OnlyTenants,
  { now, vault }: GroupScope,
): { sent: Sent; request: NewRequest; messages: NewMessage[] } {
  const { individuals, definition } = input
  const { environmentId } = actor
  const isAlone = individuals.length === 1 && definition.groups.length === 0
  const requestId = newId(isAlone ? 'msg' : 'req')
  const request: NewRequest = {
    environmentId,
    id: requestId,
    mode: modeOf(actor),
    definition,
    expansion: definition.groups.length > 0 ? { group: 0, after: null } : null,
    acceptedAt: now,
  }
  const idOf = (userId: string | null) =>
    userId === null || definition.groups.length === 0 ? newId('msg') : messageIdOf(requestId, userId)
  const messages = individuals.map(({ userId, label, to }): NewMessage => {
    const inferred = userId === null ? null : (tenants.get(environmentId)?.get(userId) ?? null)
    return {
      environmentId,
      id: isAlone ? requestId : idOf(userId),
      requestId,
      status: 'ENQUEUED',
      reason: null,
      error: null,
      userId,
      recipient: label,
      to: sealTokens(vault, environmentId, to),
      tenantId: to.tenantId ?? definition.tenantId ?? inferred,
      listId: null,
      audienceId: null,
      ...templateOf(definition),
      topicId: definition.topicId,
      ...definition.metadata,
      enqueuedAt: now,
      expiresAt: definition.expiresAt ?? null,
    }
  })
  return { sent: { requestId, messageId: isAlone ? requestId : null }, request, messages }
}

/** What a message keeps of the template that it was sent with. */
export function templateOf({ template }: Definition): Pick<NewMessage, 'templateId' | 'templateVersion'> {
  return { templateId: template?.id ?? null, templateVersion: template?.version ?? null }
}

function newUsers({ actor, input }: SendCall): NewUser[] {
  return input.individuals.flatMap(({ userId, newProfile }) =>
    userId === null ? [] : [{ environmentId: actor.environmentId, id: userId, profile: newProfile }],
  )
}

/** What an event of a message says that is put off. */
export function delayedEvent(until: Date) {
  return { type: 'DELAYED', status: 'DELAYED', detail: { until: until.toISOString() } } as const
}

/** The first event of a message. */
export function enqueuedEvent(message: NewMessage): NewEvent {
  return {
    environmentId: message.environmentId,
    stream: 'MESSAGE',
    type: 'ENQUEUED',
    at: message.enqueuedAt,
    messageId: message.id,
    requestId: message.requestId,
    jobId: message.jobId ?? null,
    userId: message.userId,
    tenantId: message.tenantId,
    status: 'ENQUEUED',
    reason: null,
    channel: null,
    providerId: null,
    error: null,
    detail: null,
  }
}
