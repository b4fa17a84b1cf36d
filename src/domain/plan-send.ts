import type { Channel, Rendered } from '../channels/provider.ts'
import type { MessageReason, MessageStatus } from '../generated/tables.ts'
import { render } from '../render/content.ts'
import { RenderRefusal } from '../render/template.ts'
import type { Db } from '../store/database.ts'
import { readPersons } from '../store/facts.ts'
import { findMissing } from '../store/reference.ts'
import { readOnlyTenants } from '../store/tenant.ts'
import type { BuiltInAccount } from './account.ts'
import type { Actor } from './actor.ts'
import type { Vault } from './command.ts'
import { contextOf } from './group.ts'
import { newId } from './id.ts'
import { sealTokens } from './inline-token.ts'
import { countMembers, readMembers } from './member.ts'
import { type Decision, type Plan, plan, type Step } from './plan.ts'
import { type LinkMaker, renderInputOf, urlsOf } from './rendering.ts'
import { type CheckedSend, missing, referencesOf } from './send.ts'
import { type KeptRecipient, type Occasion, readGrounds, readSurroundings, type Situation, situationOf } from './situation.ts'

/** What a send would do. recipients: how many messages it would make; messages: the plans of the first of them. */
export interface SendPlan {
  readonly recipients: number
  readonly messages: readonly MessagePlan[]
}

export interface MessagePlan {
  readonly recipient: string
  readonly userId: string | null
  /** The status that the message would reach first: ROUTED, or why not. */
  readonly outcome: MessageStatus
  readonly reason: MessageReason | null
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

export interface PlanSendParts {
  readonly db: Db
  readonly vault: Vault
  readonly builtIns: readonly BuiltInAccount[]
  /** They stand in what is shown to whoever plans, so they must not act for the user. */
  readonly links: LinkMaker
  readonly now: () => Date
}

export type PlanSend = (actor: Actor, input: CheckedSend, first: number) => Promise<SendPlan>

/**
 * Says what a send would do, by the rules that the send itself goes by: who, which channels and accounts, which rule skipped
 * whom, and what each would be shown. It writes nothing and calls nobody.
 *
 * @throws Refusal NOT_FOUND for what the send names and is not there
 */
export function createPlanSend(parts: PlanSendParts): PlanSend {
  return async ({ environmentId }, input, first) => {
    const [lacking] = await findMissing(parts.db, referencesOf(environmentId, input))
    if (lacking) throw missing(lacking)
    const userIds = input.individuals.flatMap(({ userId }) => userId ?? [])
    const targets = input.definition.groups.map(({ target }) => target)
    const nameless = input.individuals.length - userIds.length
    const recipients = nameless + (await countMembers(parts.db, environmentId, targets, userIds))
    const addressees = await inferTenants(parts.db, environmentId, await firstAddressees(parts, environmentId, input, first))
    return { recipients, messages: await planEach(parts, addressees) }
  }
}

/** One who would get a message. label: as the log would name them. */
interface Addressee {
  readonly label: string
  readonly occasion: Occasion
}

async function firstAddressees(
  { db, vault }: PlanSendParts,
  environmentId: string,
  { individuals, definition }: CheckedSend,
  first: number,
): Promise<readonly Addressee[]> {
  const base = { environmentId, topicId: definition.topicId, definition }
  const found: Addressee[] = individuals.slice(0, first).map(({ label, userId, to }) => ({
    label,
    occasion: {
      ...base,
      userId,
      tenantId: to.tenantId ?? definition.tenantId,
      listId: null,
      to: sealTokens(vault, environmentId, to) as KeptRecipient,
    },
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
        found.push({ label: userId, occasion: { ...base, userId, tenantId, listId, to: { userId, group: place } } })
      }
      if (page.length < PAGE) break
      after = page.at(-1)!.userId
    }
  }
  return found
}

const PAGE = 100

async function inferTenants(db: Db, environmentId: string, addressees: readonly Addressee[]): Promise<readonly Addressee[]> {
  const without = addressees.flatMap(({ occasion: { userId, tenantId } }) =>
    tenantId === null && userId !== null ? [userId] : [],
  )
  if (without.length === 0) return addressees
  const only = await readOnlyTenants(db, environmentId, without)
  return addressees.map(({ label, occasion }) => ({
    label,
    occasion: { ...occasion, tenantId: occasion.tenantId ?? only.get(occasion.userId ?? '') ?? null },
  }))
}

async function planEach(parts: PlanSendParts, addressees: readonly Addressee[]): Promise<readonly MessagePlan[]> {
  const occasions = addressees.map(({ occasion }) => occasion)
  const environmentIds = occasions.map(({ environmentId }) => environmentId)
  const [persons, grounds] = await Promise.all([
    readPersons(parts.db, occasions),
    readGrounds(parts.db, parts.builtIns, environmentIds),
  ])
  const surroundings = await readSurroundings(parts.db, grounds, occasions)
  return addressees.map(({ label, occasion }, index) => {
    const situation = situationOf(occasion, persons[index]!, surroundings, parts)
    return toMessagePlan(label, occasion, situation, plan(situation.snapshot), parts.links)
  })
}

function toMessagePlan(label: string, occasion: Occasion, situation: Situation, planned: Plan, links: LinkMaker): MessagePlan {
  const { userId } = occasion
  if (planned.kind === 'stop') {
    const { status: outcome, reason, decisions } = planned
    return { recipient: label, userId, outcome, reason, steps: [], decisions }
  }
  const outputs = new Map<Channel, Rendered | RenderRefusal>()
  const urls = urlsOf(occasion, situation, links)
  const input = renderInputOf(occasion, situation, urls, newId('msg'))
  for (const { channel } of planned.steps) if (!outputs.has(channel)) outputs.set(channel, tryRender(channel, input))
  const refusals = [...outputs].flatMap(([channel, output]) =>
    output instanceof RenderRefusal ? [unrendered(channel, output)] : [],
  )
  const steps = planned.steps.map((step) => toStep(step, outputs.get(step.channel)!))
  return { recipient: label, userId, outcome: 'ROUTED', reason: null, steps, decisions: [...planned.decisions, ...refusals] }
}

function tryRender(channel: Channel, input: Parameters<typeof render>[1]): Rendered | RenderRefusal {
  try {
    return render(channel, input)
  } catch (refusal) {
    if (refusal instanceof RenderRefusal) return refusal
    throw refusal
  }
}

function unrendered(channel: Channel, { message }: RenderRefusal): Decision {
  return { rule: 'render', subject: channel, passed: false, because: message, detail: null }
}

function toStep({ channel, providerId, address }: Step, output: Rendered | RenderRefusal): PlannedStep {
  return { channel, providerId, address: address.id, output: output instanceof RenderRefusal ? null : output }
}
