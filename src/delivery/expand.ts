import type { Logger } from 'pino'
import { delayedEvent, enqueuedEvent, templateOf } from '../domain/accept.ts'
import type { BuiltInAccount } from '../domain/account.ts'
import type { Commit, GroupScope, Vault } from '../domain/command.ts'
import { contextOf, type Expansion, type Group, type Member, messageIdOf } from '../domain/group.ts'
import { newId } from '../domain/id.ts'
import { readMembers } from '../domain/member.ts'
import { type Plan, plan } from '../domain/plan.ts'
import { MESSAGE_TIMEOUT_MS } from '../domain/route.ts'
import type { Definition } from '../domain/send.ts'
import { type Occasion, readGrounds, readSurroundings, situationOf } from '../domain/situation.ts'
import { readDefinitions } from '../domain/template-use.ts'
import { fairnessOf, type Held, type Payload, type Perform, type Work } from '../queue/kinds.ts'
import { confirm, postpone, settle } from '../queue/settle.ts'
import { isConnectionLost } from '../store/connect.ts'
import type { Db } from '../store/database.ts'
import { keepExpansion, lockExpansion, readExpansion } from '../store/expansion.ts'
import { readPersons } from '../store/facts.ts'
import { insertMessages, type NewMessage } from '../store/message.ts'
import { insertDeadLetters, keepPlans } from '../store/record.ts'
import { holdRows } from '../store/row.ts'
import { createSurvey, type Survey } from '../store/survey.ts'
import type { TemplateVersions } from '../store/template.ts'
import { readOnlyTenants } from '../store/tenant.ts'

export interface ExpandParts {
  readonly db: Db
  readonly versions: TemplateVersions
  readonly commit: Commit
  readonly builtIns: readonly BuiltInAccount[]
  readonly vault: Vault
  readonly now: () => Date
  readonly log: Logger
}

/** Members of one transaction: their messages, plans, events and jobs are committed with the place where the next begins. */
const PAGE = 250
/** Pages of one request, after which others have their turn. */
const PAGES_A_TURN = 10

/**
 * Finds the members of a request's groups and makes a message for each, page by page. A page is planned as it is made, so
 * that whoever must not get the message costs no delivery; the others are planned again when it is their turn, by what is
 * true then. A crash loses a page at most, and doubles nobody: a message's id follows from its request and its user.
 *
 * One that fails by a fault of ours until its time is up is set aside as a dead letter; its request is never `expanded`.
 */
export function createExpand(parts: ExpandParts): Perform<'expand'> {
  const survey = createSurvey(parts.db)
  return async (ref, work) => {
    try {
      await expand(parts, survey, ref, work)
    } catch (fault) {
      if (work.signal.aborted || isConnectionLost(fault) || !(await isOverdue(parts, ref))) throw fault
      parts.log.error({ err: fault, request: ref.requestId }, 'a request could not be expanded until its time was up')
      await parts.commit((scope) => setAside(scope, ref, work.job))
    }
  }
}

async function expand(parts: ExpandParts, survey: Survey, ref: Payload<'expand'>, work: Work): Promise<void> {
  for (let turn = 1; !work.signal.aborted; turn += 1) {
    const page = await planPage(parts, ref)
    const goesOn = await parts.commit((scope) => writePage(scope, page, ref, work.job, turn === PAGES_A_TURN))
    await survey(PAGE)
    if (goesOn) continue
    // Of a turn in which nobody gets a delivery nothing else wakes the lane.
    if (turn === PAGES_A_TURN) work.comesBack(0)
    return
  }
}

async function isOverdue({ db, now }: ExpandParts, { environmentId, requestId }: Payload<'expand'>): Promise<boolean> {
  const row = await readExpansion(db, environmentId, requestId)
  return row !== null && now().getTime() - row.acceptedAt.getTime() >= MESSAGE_TIMEOUT_MS
}

async function setAside({ tx, now }: GroupScope, ref: Payload<'expand'>, job: Held): Promise<void> {
  if (!(await confirm(tx, [job])).has(job.id)) return
  const { environmentId } = ref
  await insertDeadLetters(tx, [
    { environmentId, id: newId('dlt'), kind: 'expand', messageId: null, payload: ref, error: UNEXPANDED, crashes: 0, at: now },
  ])
  await settle(tx, [job])
}

const UNEXPANDED = 'Something went wrong on our side each time its groups were expanded, until its time was up.'

/** Some members of a group, and what is to become of each. */
interface Page {
  readonly source: Source
  readonly expansion: Expansion
  readonly next: Expansion | null
  readonly planned: readonly { readonly member: Member; readonly occasion: Occasion; readonly plan: Plan }[]
}

interface Source {
  readonly environmentId: string
  readonly requestId: string
  readonly definition: Definition
  readonly group: Group
}

/** Null where nothing of the request is left to expand. Reads only. */
async function planPage(parts: ExpandParts, { environmentId, requestId }: Payload<'expand'>): Promise<Page | null> {
  const row = await readExpansion(parts.db, environmentId, requestId)
  const kept = row?.definition as Definition | undefined
  const expansion = row?.expansion as Expansion | undefined
  const [definition] = kept ? await readDefinitions(parts.db, parts.versions, [{ environmentId, definition: kept }]) : []
  const group = expansion && definition?.groups[expansion.group]
  if (definition === undefined || expansion === undefined || group === undefined) return null
  const source = { environmentId, requestId, definition, group }
  const members = await readMembers(parts.db, environmentId, group.target, expansion.after, PAGE)
  const occasions = await occasionsOf(parts.db, source, expansion.group, members, parts.now())
  const plans = await planEach(parts, occasions)
  const planned = members.map((member, index) => ({ member, occasion: occasions[index]!, plan: plans[index]! }))
  return { source, expansion, next: nextPlace(definition, expansion, members), planned }
}

/** @returns whether there is a page after this one, and it is still this worker's to make, now */
async function writePage(
  scope: GroupScope,
  page: Page | null,
  { environmentId, requestId }: Payload<'expand'>,
  job: Held,
  isLastOfTurn: boolean,
): Promise<boolean> {
  if (!(await confirm(scope.tx, [job])).has(job.id)) return false
  if (page === null || !(await lockExpansion(scope.tx, environmentId, requestId))) {
    await settle(scope.tx, [job])
    return false
  }
  await addMessages(scope, page)
  await keepExpansion(scope.tx, environmentId, requestId, page.next)
  if (page.next === null) await settle(scope.tx, [job])
  else if (isLastOfTurn) await postpone(scope.tx, [{ ...job, runAt: { afterMs: 0 } }])
  return page.next !== null && !isLastOfTurn
}

function nextPlace({ groups }: Definition, { group }: Expansion, members: readonly Member[]): Expansion | null {
  if (members.length === PAGE) return { group, after: members.at(-1)!.userId }
  return group + 1 < groups.length ? { group: group + 1, after: null } : null
}

/** Users who were erased meanwhile are left out; the others cannot be before this is committed. */
async function addMessages(scope: GroupScope, { source, planned }: Page): Promise<void> {
  const ids = planned.map(({ member }) => member.userId)
  const present = await holdRows(scope.tx, 'user', source.environmentId, ids)
  const made = planned
    .filter(({ member }) => present.has(member.userId))
    .map(({ member, occasion, plan }) => ({ message: messageOf(source, occasion, member, plan, scope.now), plan }))
  const added = await insertMessages(
    scope.tx,
    [],
    made.map(({ message }) => message),
  )
  const fresh = made.filter(({ message }) => added.has(message.id))
  await keepPlans(
    scope.tx,
    fresh.map(({ message, plan }) => ({
      environmentId: message.environmentId,
      messageId: message.id,
      decisions: plan.decisions,
    })),
  )
  for (const { message, plan } of fresh) announce(scope, message, plan)
}

/** A user who is a member of exactly one tenant stands in its context, where nobody gives another. */
async function occasionsOf(
  db: Db,
  { environmentId, definition, group }: Source,
  place: number,
  members: readonly Member[],
  now: Date,
): Promise<readonly Occasion[]> {
  const contexts = members.map((member) => contextOf(group, member, definition.tenantId))
  const without = members.filter((_, index) => contexts[index] === null).map(({ userId }) => userId)
  const inferred = without.length === 0 ? new Map<string, string>() : await readOnlyTenants(db, environmentId, without)
  return members.map(({ userId, listId }, index) => ({
    environmentId,
    userId,
    tenantId: contexts[index] ?? inferred.get(userId) ?? null,
    topicId: definition.topicId,
    listId,
    to: { userId, group: place },
    definition,
    enqueuedAt: now,
    scheduledFor: null,
    isCounted: false,
  }))
}

async function planEach({ db, builtIns, vault, now }: ExpandParts, occasions: readonly Occasion[]): Promise<readonly Plan[]> {
  const [persons, grounds] = await Promise.all([
    readPersons(db, occasions),
    readGrounds(
      db,
      builtIns,
      occasions.map(({ environmentId }) => environmentId),
    ),
  ])
  const surroundings = await readSurroundings(db, grounds, occasions, now())
  return occasions.map((occasion, index) => plan(situationOf(occasion, persons[index]!, surroundings, { vault, now }).snapshot))
}

function messageOf(
  { environmentId, requestId, definition, group }: Source,
  { tenantId, to }: Occasion,
  { userId, listId }: Member,
  planned: Plan,
  now: Date,
): NewMessage {
  const stopped = planned.kind === 'stop' ? planned : null
  return {
    environmentId,
    id: messageIdOf(requestId, userId),
    requestId,
    status: stopped?.status ?? (planned.kind === 'delay' ? 'DELAYED' : 'ENQUEUED'),
    reason: stopped?.reason ?? null,
    error: stopped?.error ?? null,
    userId,
    recipient: userId,
    to,
    tenantId,
    listId,
    audienceId: group.target.kind === 'audience' ? group.target.audienceId : null,
    ...templateOf(definition),
    topicId: definition.topicId,
    ...definition.metadata,
    enqueuedAt: now,
    scheduledFor: planned.kind === 'delay' ? planned.until : null,
    expiresAt: definition.expiresAt ?? null,
  }
}

/** Its first event; then its delivery, or why there is none. */
function announce(scope: GroupScope, message: NewMessage, planned: Plan): void {
  const { environmentId, id: messageId, tenantId, status, reason, error } = message
  const enqueued = enqueuedEvent(message)
  scope.append(enqueued)
  if (planned.kind === 'stop') {
    scope.append({ ...enqueued, type: status, status, reason, error })
    return
  }
  const runAt = planned.kind === 'delay' ? { runAt: planned.until } : {}
  if (planned.kind === 'delay') scope.append({ ...enqueued, ...delayedEvent(planned.until) })
  const fairnessKey = fairnessOf(environmentId, tenantId)
  scope.enqueue({ kind: 'deliver', payload: { environmentId, messageId }, fairnessKey, lane: 'bulk', ...runAt })
}
