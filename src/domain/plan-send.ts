import { sql } from 'kysely'
import type { Channel, Rendered } from '../channels/provider.ts'
import { Refusal } from '../errors.ts'
import type { MessageReason, MessageStatus } from '../generated/tables.ts'
import { fairnessOf } from '../queue/kinds.ts'
import { RenderRefusal } from '../render/template.ts'
import type { Db } from '../store/database.ts'
import { type PersonRow, readPersons } from '../store/facts.ts'
import { findMissing } from '../store/reference.ts'
import { readOnlyTenants } from '../store/tenant.ts'
import type { Actor } from './actor.ts'
import { contextOf } from './group.ts'
import { newId } from './id.ts'
import { sealTokens } from './inline-token.ts'
import type { JsonObject } from './json.ts'
import { countMembers, readMembers } from './member.ts'
import { type Decision, type Plan, plan, type Snapshot, type Step } from './plan.ts'
import { refusalOf, refusedBy, renderJobOf, type ShowingParts, urlsOf, withoutRefused } from './rendering.ts'
import { type CheckedSend, type Definition, missing, modeOf, referencesOf, refuseLate } from './send.ts'
import {
  countAlso,
  type KeptRecipient,
  type Occasion,
  readGrounds,
  readSurroundings,
  type Situation,
  situationOf,
} from './situation.ts'
import { readDefinitions, settleTemplate } from './template-use.ts'

/** What a send would do. recipients: how many messages it would make; messages: the plans of the first of them. */
export interface SendPlan {
  readonly recipients: number
  readonly messages: readonly MessagePlan[]
}

export interface MessagePlan {
  readonly recipient: string
  readonly userId: string | null
  /** The status that the message would reach first: ROUTED, DELAYED, or why not. Its turn is when all before it had theirs. */
  readonly outcome: MessageStatus
  readonly reason: MessageReason | null
  /** Of a message that would wait first. Its steps are those it would have now. */
  readonly scheduledFor: Date | null
  readonly steps: readonly PlannedStep[]
  readonly decisions: readonly Decision[]
}

/** output: null where it would not render. */
export interface PlannedStep {
  readonly channel: Channel
  readonly providerId: string
  readonly address: string
  readonly output: Rendered | null
}

export type PlanSend = (actor: Actor, input: CheckedSend, first: number) => Promise<SendPlan>

/**
 * Says what a send would do, by the rules that the send itself goes by: who, which channels and accounts, which rule skipped
 * whom, and what each would be shown. It writes nothing and calls nobody.
 *
 * @throws Refusal NOT_FOUND for what the send names and is not there, BAD_USER_INPUT for one that has expired or whose data do
 * not satisfy its template's schema
 */
export function createPlanSend(parts: ShowingParts): PlanSend {
  return async (actor, given, first) => {
    const { environmentId } = actor
    const late = refuseLate(given, parts.now())
    if (late) throw late
    const [lacking] = await findMissing(parts.db, referencesOf(environmentId, given))
    if (lacking) throw missing(lacking)
    const input = await settleTemplate(parts.db, parts.versions, { environmentId, input: given })
    if (input instanceof Refusal) throw input
    const userIds = input.individuals.flatMap(({ userId }) => userId ?? [])
    const targets = input.definition.groups.map(({ target }) => target)
    const nameless = input.individuals.length - userIds.length
    const recipients = nameless + (await countMembers(parts.db, environmentId, targets, userIds))
    const addressees = await inferTenants(parts.db, environmentId, await firstAddressees(parts, environmentId, input, first))
    return { recipients, messages: await planEach(parts, addressees, modeOf(actor) === 'LIVE') }
  }
}

/** One who would get a message. label: as the log would name them. newProfile: what a user would begin with who is none yet. */
interface Addressee {
  readonly label: string
  readonly occasion: Occasion
  readonly newProfile: JsonObject | null
}

async function firstAddressees(
  { db, versions, vault, now }: ShowingParts,
  environmentId: string,
  { individuals, definition: given }: CheckedSend,
  first: number,
): Promise<readonly Addressee[]> {
  const shown = individuals.slice(0, first).map(({ label, userId, to, newProfile }) => ({
    label,
    userId,
    to: sealTokens(vault, environmentId, to) as KeptRecipient,
    newProfile: userId === null ? null : newProfile,
  }))
  const { definition: kept, persons } = await asKept(db, { definition: given, persons: shown })
  const definition = (await readDefinitions(db, versions, [{ environmentId, definition: kept }]))[0]!
  const timing = { enqueuedAt: now(), scheduledFor: null, isCounted: false }
  const base = { environmentId, topicId: definition.topicId, definition, ...timing }
  const found: Addressee[] = persons.map(({ label, userId, to, newProfile }) => ({
    label,
    newProfile,
    occasion: { ...base, userId, tenantId: to.tenantId ?? definition.tenantId, listId: null, to },
  }))
  const seen = new Set(individuals.flatMap(({ userId }) => userId ?? []))
  for (const [place, group] of definition.groups.entries()) {
    let after: string | null = null
    while (found.length < first) {
      const page = await readMembers(db, environmentId, group.target, after, PAGE)
      for (const member of page.filter(({ userId }) => !seen.has(userId)).slice(0, first - found.length)) {
        const { userId, listId } = member
        seen.add(userId)
        const tenantId = contextOf(group, member, definition.tenantId)
        found.push({
          label: userId,
          newProfile: null,
          occasion: { ...base, userId, tenantId, listId, to: { userId, group: place } },
        })
      }
      if (page.length < PAGE) break
      after = page.at(-1)!.userId
    }
  }
  return found
}

const PAGE = 100

/** As it would come back from PostgreSQL, which keeps an object's keys in an order of its own: texts and conditions may show it. */
async function asKept<T extends { readonly definition: Definition }>(db: Db, said: T): Promise<T> {
  const { rows } = await sql<{ kept: T }>`select ${JSON.stringify(said)}::jsonb as kept`.execute(db)
  return rows[0]!.kept
}

async function inferTenants(db: Db, environmentId: string, addressees: readonly Addressee[]): Promise<readonly Addressee[]> {
  const without = addressees.flatMap(({ occasion: { userId, tenantId } }) =>
    tenantId === null && userId !== null ? [userId] : [],
  )
  if (without.length === 0) return addressees
  const only = await readOnlyTenants(db, environmentId, without)
  return addressees.map(({ occasion, ...addressee }) => ({
    ...addressee,
    occasion: { ...occasion, tenantId: occasion.tenantId ?? only.get(occasion.userId ?? '') ?? null },
  }))
}

/** In their order: what one of them uses up of a send limit is not there for the next. */
async function planEach(
  parts: ShowingParts,
  addressees: readonly Addressee[],
  isCounted: boolean,
): Promise<readonly MessagePlan[]> {
  const occasions = addressees.map(({ occasion }) => occasion)
  const environmentIds = occasions.map(({ environmentId }) => environmentId)
  const [persons, grounds] = await Promise.all([
    readPersons(parts.db, occasions),
    readGrounds(parts.db, parts.builtIns, environmentIds),
  ])
  let surroundings = await readSurroundings(parts.db, grounds, occasions, parts.now())
  const planned = addressees.map((addressee, index): Planned => {
    const { label, occasion } = addressee
    const situation = situationOf(occasion, personOf(addressee, persons[index]!), surroundings, parts)
    const first = plan(situation.snapshot)
    if (isCounted && first.kind === 'route') surroundings = countAlso(surroundings, occasion, situation.snapshot.now)
    return { label, occasion, situation, first }
  })
  return Promise.all(planned.map((one) => toMessagePlan(one, parts)))
}

/** first: what comes of the message at once. */
interface Planned {
  readonly label: string
  readonly occasion: Occasion
  readonly situation: Situation
  readonly first: Plan
}

/** A user who is none yet is made by the send. */
function personOf({ newProfile }: Addressee, person: PersonRow): PersonRow {
  return person.profile === null ? { ...person, profile: newProfile } : person
}

async function toMessagePlan(planned: Planned, parts: ShowingParts): Promise<MessagePlan> {
  const { label, occasion, situation, first } = planned
  const { decisions } = first
  const scheduledFor = first.kind === 'delay' ? first.until : null
  const whom = { recipient: label, userId: occasion.userId, scheduledFor }
  if (first.kind === 'stop') return { ...whom, outcome: first.status, reason: first.reason, steps: [], decisions }
  const outcome = first.kind === 'delay' ? 'DELAYED' : 'ROUTED'
  const routed = first.kind === 'delay' ? plan(released(situation.snapshot)) : first
  if (routed.kind !== 'route') return { ...whom, outcome, reason: null, steps: [], decisions }
  const outputs = await renderEach(routed.steps, planned, parts)
  const steps = routed.steps.map((step) => toStep(step, outputs.get(step.providerId)!))
  const refusals = new Map<Step, RenderRefusal>()
  for (const step of routed.steps) {
    const output = outputs.get(step.providerId)
    if (output instanceof RenderRefusal) refusals.set(step, output)
  }
  const all = [...decisions, ...refusedBy(routed.steps, refusals)]
  const left = withoutRefused(routed, refusals)
  if (left.kind === 'route' || first.kind === 'delay') return { ...whom, outcome, reason: null, steps, decisions: all }
  return { ...whom, outcome: left.status, reason: left.reason, steps, decisions: all }
}

/** As if its time had come. */
function released(snapshot: Snapshot): Snapshot {
  return { ...snapshot, timing: { ...snapshot.timing, delay: null } }
}

/** By account. */
async function renderEach(
  steps: readonly Step[],
  { label: recipient, occasion, situation }: Planned,
  { renderer, links }: ShowingParts,
): Promise<ReadonlyMap<string, Rendered | RenderRefusal>> {
  const urls = urlsOf(occasion, situation, links)
  const id = newId('msg')
  const fairnessKey = fairnessOf(occasion.environmentId, occasion.tenantId)
  const accounts = new Map(steps.map((step) => [step.providerId, step]))
  const rendered = [...accounts.values()].map(async ({ channel, providerId, kind }) => {
    const reader = { channel, provider: { id: providerId, kind } }
    const job = renderJobOf(reader, occasion, situation, urls, id, { recipient })
    return [providerId, await renderer.render(job, fairnessKey).catch(refusalOf)] as const
  })
  return new Map(await Promise.all(rendered))
}

function toStep({ channel, providerId, address }: Step, output: Rendered | RenderRefusal): PlannedStep {
  return { channel, providerId, address: address.id, output: output instanceof RenderRefusal ? null : output }
}
