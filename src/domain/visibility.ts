import { badInput, notFound } from '../errors.ts'
import type { EventFilter } from '../log/event.ts'
import type { Actor } from './actor.ts'

/**
 * Whose inbox, tokens or preferences are meant: a user token acts for its own user, an API key must name one. A user that
 * a token may not act for looks like one that does not exist.
 */
export function userOf(actor: Actor, userId: string | null | undefined): string {
  if (actor.kind === 'key') {
    if (userId != null) return userId
    throw badInput(['userId'], "An API key must name a 'userId'.")
  }
  if (actor.userId === null || (userId != null && userId !== actor.userId)) throw notFound('user', userId ?? '')
  return actor.userId
}

/** Which tenant's inbox or preferences are meant: a token that was issued for one sees that one only. */
export function tenantOf(actor: Actor, tenantId: string | null | undefined): string | null {
  if (actor.kind === 'key' || actor.tenantId === null) return tenantId ?? null
  if (tenantId != null && tenantId !== actor.tenantId) throw notFound('tenant', tenantId)
  return actor.tenantId
}

/**
 * Whether a tenant counts for this actor only where the user is a member of it: a token that was issued without one would
 * otherwise learn of any tenant by its defaults.
 */
export function actsAsMember(actor: Actor, tenantId: string | null): boolean {
  return actor.kind === 'token' && tenantId !== null && actor.tenantId !== tenantId
}

export interface MessageEventFilter {
  readonly messageIds?: readonly string[] | null
  readonly requestId?: string | null
  readonly jobId?: string | null
  readonly userId?: string | null
  readonly tenantId?: string | null
  readonly all?: boolean | null
  readonly types?: readonly string[] | null
}

/** Which request a job's messages are all of; null where there is no such job. */
type RequestIdOfJob = (environmentId: string, jobId: string) => Promise<string | null>

/** A subscriber's filter, held to what the actor may see. The past of a job is found by its request. */
export async function eventFilterOf(
  actor: Actor,
  filter: MessageEventFilter,
  requestIdOfJob: RequestIdOfJob,
): Promise<EventFilter> {
  const { messageIds, requestId, jobId, userId, tenantId } = filter
  const named = messageIds != null || requestId != null || jobId != null || userId != null || tenantId != null
  if (actor.kind === 'key' && !named && filter.all !== true) {
    throw badInput(['filter'], "'filter' must give one of messageIds, requestId, jobId, userId and tenantId, or all: true.")
  }
  return {
    stream: 'MESSAGE',
    ...(messageIds != null && { messageIds }),
    ...(requestId != null && { requestIds: [requestId] }),
    ...(jobId != null && requestId == null && { requestIds: asList(await requestIdOfJob(actor.environmentId, jobId)) }),
    ...(jobId != null && { jobIds: [jobId] }),
    ...(userId != null && { userId }),
    ...(tenantId != null && { tenantId }),
    ...(filter.types != null && { types: filter.types }),
    // Nothing at all: who may not see to whom a message is does not learn it by guessing either.
    ...(actor.kind === 'token' && userId != null && userId !== actor.userId && { messageIds: [] }),
    ...(actor.kind === 'token' && { visibleTo: actor }),
  }
}

function asList(id: string | null): readonly string[] {
  return id === null ? [] : [id]
}

/** Named messages, requests and jobs are followed from their first event; anything wider from now. */
export function startsAtFirst(filter: MessageEventFilter): boolean {
  return filter.messageIds != null || filter.requestId != null || filter.jobId != null
}

/** Whether an actor may follow a bulk job: keys may follow any of their environment, tokens those that they name. */
export function isFollower(actor: Actor, jobId: string): boolean {
  return actor.kind === 'key' || actor.jobIds.includes(jobId)
}

/** Whether a request is that of one of these bulk jobs. */
type IsRequestOfJobs = (environmentId: string, requestId: string, jobIds: readonly string[]) => Promise<boolean>

/**
 * Whose messages of a request an actor sees: null is everybody's, for keys, and for tokens that name the request or the bulk job
 * whose messages they are.
 */
export async function onlyUser(actor: Actor, requestId: string, isRequestOfJobs: IsRequestOfJobs): Promise<string | null> {
  if (actor.kind === 'key' || actor.requestIds.includes(requestId)) return null
  const { environmentId, jobIds, userId } = actor
  const isFollowed = jobIds.length > 0 && (await isRequestOfJobs(environmentId, requestId, jobIds))
  return isFollowed ? null : (userId ?? '')
}
