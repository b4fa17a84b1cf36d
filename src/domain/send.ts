import type { AddressGuard } from '../channels/provider.ts'
import { badInput, notFound, Refusal } from '../errors.ts'
import type { NewEvent } from '../log/event.ts'
import { insertMessages, type NewMessage, type NewRequest } from '../store/message.ts'
import { insertUsers, type NewUser } from '../store/user.ts'
import type { Actor } from './actor.ts'
import { type Call, type GroupedCommand, openResult, sealResult } from './command.ts'
import { newId } from './id.ts'
import { type Claim, claimId, claimKeys, keepResults, reused } from './idempotency.ts'
import { checkSize, type JsonObject } from './json.ts'
import { checkRecipient, type Recipient, type RecipientInput } from './recipient.ts'

export interface ContentInput {
  readonly title?: string | null
  readonly body?: string | null
}

export interface SendInput {
  readonly to: readonly RecipientInput[]
  readonly content?: ContentInput | null
  readonly template?: string | null
  readonly data?: JsonObject | null
  readonly metadata?: {
    readonly event?: string | null
    readonly tags?: readonly string[] | null
    readonly traceId?: string | null
  } | null
  readonly idempotencyKey?: string | null
}

/** What every message of a request shares; kept with the request. */
export interface Definition {
  readonly content: ContentInput
  readonly data: JsonObject
}

/** A send that needs nothing but the database any more. */
export interface CheckedSend {
  readonly recipients: readonly Recipient[]
  readonly definition: Definition
  readonly event: string | null
  readonly tags: readonly string[]
  readonly traceId: string | null
}

export interface Sent {
  readonly requestId: string
  /** Null where there are several recipients. */
  readonly messageId: string | null
}

/** replayed: an earlier send with the same idempotency key was answered so. */
export interface Accepted extends Sent {
  readonly replayed: boolean
}

const MAX_TITLE = 2_000
const MAX_BODY = 256 * 1024

/**
 * Everything about a send that can be refused without the database. The sentences are the ones this field's users know.
 * @throws Refusal BAD_USER_INPUT with the path of the fault, NOT_FOUND for a template
 */
export function checkSend(input: SendInput, guard: AddressGuard): CheckedSend {
  if (input.content == null && input.template == null) {
    throw badInput(['input'], "Either 'content' or 'template' must be defined.")
  }
  if (input.content != null && input.template != null) {
    throw badInput(['input'], "Either 'content' or 'template' may be defined, but not both.")
  }
  if (input.to.length === 0) throw badInput(['input', 'to'], "The 'to' property is required.")
  if (input.template != null) throw notFound('template', input.template)
  checkSize(input.data, ['input', 'data'])
  return {
    recipients: input.to.map((to, index) => checkRecipient(to, ['input', 'to', index], guard)),
    definition: { content: checkContent(input.content!), data: input.data ?? {} },
    ...checkMetadata(input.metadata ?? {}),
  }
}

function checkContent(content: ContentInput): ContentInput {
  const { title = null, body = null } = content
  if (!title && !body) throw badInput(['input', 'content'], "'content' must contain one of: 'title', 'body', or 'elements'")
  if (title !== null && title.length > MAX_TITLE) {
    throw badInput(['input', 'content', 'title'], `'title' must be at most ${MAX_TITLE.toLocaleString('en')} characters.`)
  }
  if (body !== null && body.length > MAX_BODY) {
    throw badInput(['input', 'content', 'body'], `'body' must be at most ${MAX_BODY.toLocaleString('en')} characters.`)
  }
  return { title, body }
}

function checkMetadata(metadata: NonNullable<SendInput['metadata']>): Pick<CheckedSend, 'event' | 'tags' | 'traceId'> {
  const { event = null, tags, traceId = null } = metadata
  if ((tags?.length ?? 0) > 9) throw badInput(['input', 'metadata', 'tags'], "'tags' may hold at most 9 tags.")
  for (const [index, tag] of (tags ?? []).entries()) {
    if (tag.length === 0 || tag.length > 30) {
      throw badInput(['input', 'metadata', 'tags', index], 'A tag must be 1 to 30 characters.')
    }
  }
  for (const [name, value] of Object.entries({ event, traceId })) {
    if (value !== null && value.length > 256)
      throw badInput(['input', 'metadata', name], `'${name}' must be at most 256 characters.`)
  }
  return { event, tags: tags ?? [], traceId }
}

/** Commits sends: idempotency keys, users that are new, requests, messages, their jobs and their first events. */
export const acceptSends: GroupedCommand<CheckedSend, Accepted> = async (scope, calls) => {
  const results = new Map<Call<CheckedSend>, Accepted | Refusal | Replay>()
  const fresh = await takeKeys(scope, calls, results)
  const accepted = fresh.map((call) => ({ call, ...letters(call, scope.now) }))
  await insertUsers(
    scope.tx,
    accepted.flatMap(({ call }) => newUsers(call)),
  )
  await insertMessages(
    scope.tx,
    accepted.map(({ request }) => request),
    accepted.flatMap(({ messages }) => messages),
  )
  for (const { call, sent, messages } of accepted) {
    for (const message of messages) {
      scope.append(enqueued(message, scope.now))
      scope.enqueue({
        kind: 'deliver',
        payload: { environmentId: message.environmentId, messageId: message.id },
        fairnessKey: message.environmentId,
      })
    }
    results.set(call, { ...sent, replayed: false })
  }
  await keepResults(
    scope.tx,
    accepted.flatMap(({ call, sent }) => {
      const claim = claimOf(call)
      return claim ? [{ ...claim, result: sealResult(scope.vault, claim, sent) }] : []
    }),
  )
  return calls.map((call) => follow(results, call))
}

/** A call that stands in the same group as the one whose key it repeats. */
class Replay {
  readonly first: Call<CheckedSend>
  constructor(first: Call<CheckedSend>) {
    this.first = first
  }
}

function follow(
  results: ReadonlyMap<Call<CheckedSend>, Accepted | Refusal | Replay>,
  call: Call<CheckedSend>,
): Accepted | Refusal {
  const result = results.get(call)!
  if (!(result instanceof Replay)) return result
  const first = follow(results, result.first)
  return first instanceof Refusal ? first : { ...first, replayed: true }
}

/**
 * The calls that are to be carried out; what the others are answered goes into results. A key is claimed once for all that
 * gave it: who gave it with another input than the first hears what the key holds once that is known.
 */
async function takeKeys(
  scope: Parameters<typeof acceptSends>[0],
  calls: readonly Call<CheckedSend>[],
  results: Map<Call<CheckedSend>, Accepted | Refusal | Replay>,
): Promise<readonly Call<CheckedSend>[]> {
  let open = calls.filter((call) => call.key !== null)
  while (open.length > 0) {
    const firsts = new Map<string, Call<CheckedSend>>()
    const others: { call: Call<CheckedSend>; first: Call<CheckedSend> }[] = []
    for (const call of open) {
      const first = firsts.get(claimId(claimOf(call)!))
      if (first === undefined) firsts.set(claimId(claimOf(call)!), call)
      else if (first.key!.fingerprint === call.key!.fingerprint) results.set(call, new Replay(first))
      else others.push({ call, first })
    }
    await claimEach(scope, [...firsts.values()], results)
    const isTaken = (first: Call<CheckedSend>) => !results.has(first)
    for (const { call } of others.filter(({ first }) => isTaken(first))) results.set(call, reused())
    open = others.filter(({ first }) => !isTaken(first)).map(({ call }) => call)
  }
  return calls.filter((call) => !results.has(call))
}

/** Claims the keys of calls, all different. Those without a result afterwards have theirs. */
async function claimEach(
  scope: Parameters<typeof acceptSends>[0],
  calls: readonly Call<CheckedSend>[],
  results: Map<Call<CheckedSend>, Accepted | Refusal | Replay>,
): Promise<void> {
  const earlier = await claimKeys(
    scope.tx,
    calls.map((call) => claimOf(call)!),
  )
  for (const [index, call] of calls.entries()) {
    const found = earlier[index]
    if (found instanceof Refusal) results.set(call, found)
    else if (found) results.set(call, { ...openResult<Sent>(scope.vault, claimOf(call)!, found.result), replayed: true })
  }
}

function claimOf(call: Call<CheckedSend>): Claim | null {
  return call.key === null ? null : { environmentId: call.actor.environmentId, ...call.key }
}

/** One person or place: the request's id is also its message's id. */
function letters(call: Call<CheckedSend>, now: Date): { sent: Sent; request: NewRequest; messages: NewMessage[] } {
  const { actor, input } = call
  const alone = input.recipients.length === 1
  const requestId = newId(alone ? 'msg' : 'req')
  const environmentId = actor.environmentId
  const request: NewRequest = { environmentId, id: requestId, mode: modeOf(actor), definition: input.definition, acceptedAt: now }
  const messages = input.recipients.map((recipient) => ({
    environmentId,
    id: alone ? requestId : newId('msg'),
    requestId,
    userId: recipient.userId,
    recipient: recipient.label,
    to: recipient.to,
    tags: input.tags,
    traceId: input.traceId,
    event: input.event,
    enqueuedAt: now,
  }))
  return { sent: { requestId, messageId: alone ? requestId : null }, request, messages }
}

function newUsers(call: Call<CheckedSend>): NewUser[] {
  return call.input.recipients.flatMap(({ userId, newProfile }) =>
    userId === null ? [] : [{ environmentId: call.actor.environmentId, id: userId, profile: newProfile }],
  )
}

/** A simulated send is another one than the real. */
export function modeOf(actor: Actor) {
  return actor.kind === 'key' ? actor.mode : 'LIVE'
}

function enqueued(message: NewMessage, at: Date): NewEvent {
  return {
    environmentId: message.environmentId,
    stream: 'MESSAGE',
    type: 'ENQUEUED',
    at,
    messageId: message.id,
    requestId: message.requestId,
    jobId: null,
    userId: message.userId,
    tenantId: null,
    status: 'ENQUEUED',
    reason: null,
    channel: null,
    providerId: null,
    error: null,
    detail: null,
  }
}
