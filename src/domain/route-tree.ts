import { CHANNELS, type Channel } from '../channels/provider.ts'
import { evaluateCondition } from '../render/condition.ts'
import { speaksOn } from '../render/document.ts'
import type { Content } from '../render/element.ts'
import type { Account } from './account.ts'
import { type Place, placesOn } from './place.ts'
import type { Decision, Plan, Snapshot, Step, Stopped } from './plan.ts'
import type { Resolution } from './preference-rule.ts'
import type { RoutingMethod, RoutingStep } from './routing.ts'

/**
 * A route: its leaves are steps. SINGLE: its nodes in order, until one takes the message. ALL: each for itself. An account's
 * several addresses (a user's devices) are ALL.
 */
export type RouteNode =
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'branch'; readonly method: RoutingMethod; readonly nodes: readonly RouteNode[] }

/** A move asks for the steps of each branch many times. */
const known = new WeakMap<RouteNode, readonly Step[]>()

/** The steps of a route, in the order in which they would be tried. An account that is named twice stands there twice. */
export function stepsOf(node: RouteNode): readonly Step[] {
  const steps = known.get(node) ?? (node.kind === 'step' ? [node.step] : node.nodes.flatMap(stepsOf))
  known.set(node, steps)
  return steps
}

/** The steps one of which is to take the message instead of the others, of whom the step is one: what is apart from it in a SINGLE. */
export function alternativesOf(node: RouteNode, step: Step): readonly Step[] {
  if (node.kind === 'step') return []
  const own = node.nodes.filter((inner) => stepsOf(inner).includes(step))
  const others = node.method === 'SINGLE' ? node.nodes.filter((inner) => !own.includes(inner)) : []
  return own.length === 0 ? [] : [...others.flatMap(stepsOf), ...own.flatMap((inner) => alternativesOf(inner, step))]
}

/** What there is of a route without some of its steps; null: nothing. */
export function leftOf(node: RouteNode, isOut: (step: Step) => boolean): RouteNode | null {
  if (node.kind === 'step') return isOut(node.step) ? null : node
  const nodes = node.nodes.flatMap((inner) => leftOf(inner, isOut) ?? [])
  return nodes.length === 0 ? null : { ...node, nodes }
}

/**
 * The routing of a message as the steps that there are for this recipient: what a preference, a condition, a missing address
 * or account takes away is left out, each with its decision. Pure. A condition is asked only of a channel on which there is an
 * address, and of an account that can take it: so it is not blamed for what would not have been tried anyway.
 *
 * A routing may name accounts that do not exist: they are passed over, and only where nothing else is left does the message
 * end for it. A condition of a channel is not asked where the user chose that channel (reference: a user's choice beats
 * conditions).
 *
 * @param resolution what is said about the topic; null where the message has none
 * @param before the decisions taken so far, which those of the route follow
 */
export function planRoute(snapshot: Snapshot, resolution: Resolution | null, before: readonly Decision[]): Plan {
  const survey = new Survey(snapshot, resolution, before)
  const { tree, from } = snapshot.routing
  const routing = tree ?? EVERY_CHANNEL
  const root = survey.branch(
    routing.method,
    routing.channels.map((step) => survey.node(step)),
  )
  if (root === null) return survey.nowhere(routing.method)
  const steps = [...new Set(stepsOf(root))]
  survey.note('route', routing.method, true, `tries ${inWords(root)}`, { routing: from })
  return { kind: 'route', tree: root, steps, decisions: survey.decisions }
}

/** Where nobody gives a routing. */
const EVERY_CHANNEL = { method: 'SINGLE', channels: CHANNELS.map((channel) => ({ channel })) } as const

class Survey {
  readonly decisions: Decision[]
  readonly #snapshot: Snapshot
  readonly #resolution: Resolution | null
  readonly #open = new Map<Channel, readonly Place[]>()
  readonly #nodes = new Map<string, RouteNode | null>()
  readonly #settings: ReadonlyMap<string, Snapshot['providers'][number]>
  /** Accounts that are named and cannot be tried under that name. */
  readonly #missing = new Set<string>()
  /** Something would be tried but for a condition. */
  #isConditioned = false
  /** Something would be tried but that the content has nothing for it. */
  #isSilent = false
  /** The recipient has an address on a channel that may carry it. */
  #isReachable = false

  constructor(snapshot: Snapshot, resolution: Resolution | null, before: readonly Decision[]) {
    this.#snapshot = snapshot
    this.#resolution = resolution
    this.#settings = new Map(snapshot.providers.map((one) => [one.providerId, one]))
    this.decisions = [...before]
  }

  note(rule: Decision['rule'], subject: string, passed: boolean, because: string, detail: Decision['detail'] = null): void {
    this.decisions.push({ rule, subject, passed, because, detail })
  }

  branch(method: RoutingMethod, nodes: readonly (RouteNode | null)[]): RouteNode | null {
    const some = nodes.filter((node) => node !== null)
    if (some.length === 0) return null
    return some.length === 1 ? some[0]! : { kind: 'branch', method, nodes: some }
  }

  node(step: RoutingStep): RouteNode | null {
    if ('routing' in step) {
      const nodes = step.routing.channels.map((inner) => this.node(inner))
      return this.branch(step.routing.method, nodes)
    }
    return 'channel' in step ? this.#channel(step.channel) : this.#named(step.providerId)
  }

  #channel(channel: Channel): RouteNode | null {
    if (this.#placesOn(channel).length === 0) return null
    const { method = 'SINGLE', providerIds } = this.#snapshot.channels[channel] ?? {}
    const nodes = this.#accountsOf(channel, providerIds).map((account) => this.#account(account))
    return this.branch(method, nodes)
  }

  #accountsOf(channel: Channel, providerIds: readonly string[] | undefined): readonly Account[] {
    const { accounts } = this.#snapshot
    if (providerIds === undefined) return accounts.filter((account) => account.channel === channel)
    return providerIds.flatMap((id) => {
      const account = accounts.find((one) => one.id === id)
      if (account?.channel === channel) return [account]
      this.#noAccount(id, account === undefined ? NO_ACCOUNT : `carries ${account.channel}, not ${channel}`)
      return []
    })
  }

  #noAccount(id: string, because: string): void {
    if (this.#missing.has(id)) return
    this.#missing.add(id)
    this.note('provider', id, false, because)
  }

  #named(providerId: string): RouteNode | null {
    const account = this.#snapshot.accounts.find(({ id }) => id === providerId)
    if (account !== undefined) return this.#account(account)
    this.#noAccount(providerId, NO_ACCOUNT)
    return null
  }

  /** The recipient's addresses on a channel, where it is to be tried. A channel that is named twice is asked about once. */
  #placesOn(channel: Channel): readonly Place[] {
    const known = this.#open.get(channel)
    if (known !== undefined) return known
    const open = this.#survey(channel)
    this.#open.set(channel, open)
    return open
  }

  #survey(channel: Channel): readonly Place[] {
    const chosen = this.#resolution?.channels ?? null
    if (chosen !== null && !chosen.includes(channel)) {
      this.note('channels', channel, false, `only ${chosen.join(' and ')} may carry the topic`)
      return []
    }
    const places = placesOn(channel, this.#snapshot)
    this.note('address', channel, places.length > 0, describePlaces(channel, places))
    if (places.length === 0) return []
    this.#isReachable = true
    return this.#allows(channel, chosen) ? places : []
  }

  #allows(channel: Channel, chosen: readonly Channel[] | null): boolean {
    const condition = this.#snapshot.channels[channel]?.if
    if (condition === undefined) return true
    const { source, status } = this.#resolution ?? {}
    if (chosen !== null && source === 'USER' && status !== 'REQUIRED') {
      this.note('condition', channel, true, 'the user chose the channel, so its condition is not asked')
      return true
    }
    return this.#holds(condition, channel)
  }

  #holds(condition: string, subject: string): boolean {
    const { facts, profile } = this.#snapshot
    const { holds, because } = evaluateCondition(condition, { ...facts, profile })
    this.note('condition', subject, holds, because)
    if (!holds) this.#isConditioned = true
    return holds
  }

  /** An account that is named twice is one node, so it is asked about once, and has one turn with each address. */
  #account(account: Account): RouteNode | null {
    const known = this.#nodes.get(account.id)
    if (known !== undefined) return known
    const node = this.branch('ALL', this.#stepsOf(account))
    this.#nodes.set(account.id, node)
    return node
  }

  #stepsOf(account: Account): readonly RouteNode[] {
    const places = this.#placesOn(account.channel)
    if (places.length === 0) return []
    const carried = places.filter((place) => place.carriedBy(account))
    const refused = refuseAccount(account) ?? (carried.length === 0 ? 'carries none of the addresses' : null)
    this.note('provider', account.id, refused === null, refused ?? `carries ${account.channel}`)
    if (refused !== null || !this.#speaksOn(account)) return []
    const condition = this.#settings.get(account.id)?.if
    if (condition !== undefined && !this.#holds(condition, account.id)) return []
    return carried.map((place) => ({ kind: 'step', step: stepOf(account, place) }))
  }

  #speaksOn(account: Account): boolean {
    const { id, channel } = account
    if (hasWordsFor(account, this.#snapshot.content)) return true
    this.note('render', id, false, `the content says nothing on ${channel}`)
    this.#isSilent = true
    return false
  }

  /** Nothing is left to try. */
  nowhere(method: RoutingMethod): Plan {
    const [missing] = this.#missing
    if (missing !== undefined) {
      return this.#stop(method, 'UNROUTABLE', 'PROVIDER_ERROR', `The routing names '${missing}', which cannot be tried.`)
    }
    if (this.#isConditioned) return this.#stop(method, 'FILTERED', 'FILTERED', 'Its conditions leave no channel to try.')
    if (this.#isSilent) return this.#stop(method, 'UNDELIVERABLE', 'RENDER_ERROR', SILENT)
    if (this.#isReachable) return this.#stop(method, 'UNROUTABLE', 'NO_PROVIDERS', WITHOUT_PROVIDER)
    return this.#stop(method, 'UNROUTABLE', 'NO_CHANNELS', this.#withoutAddress())
  }

  #stop(method: RoutingMethod, status: Stopped['status'], reason: Stopped['reason'], error: string): Plan {
    this.note('route', method, false, error)
    return { kind: 'stop', status, reason, error, decisions: this.decisions }
  }

  #withoutAddress(): string {
    const chosen = this.#resolution?.channels ?? null
    if (chosen === null) {
      return `The recipient has no address on any channel${this.#snapshot.routing.tree === null ? '' : ' of the routing'}.`
    }
    const named = chosen.join(' or ')
    return chosen.some((channel) => this.#open.has(channel))
      ? `The recipient has no address on ${named}, which alone may carry the topic.`
      : `The routing does not try ${named}, which alone may carry the topic.`
  }
}

/** A template's content is the same object for every message, and a look through it takes milliseconds where it is large. */
const looked = new WeakMap<Content, Map<string, boolean>>()

function hasWordsFor({ id, kind, channel }: Account, content: Content): boolean {
  const known = looked.get(content) ?? new Map<string, boolean>()
  looked.set(content, known)
  const key = `${channel}\n${kind}\n${id}`
  const speaks = known.get(key) ?? speaksOn(content, channel, { id, kind })
  known.set(key, speaks)
  return speaks
}

const NO_ACCOUNT = 'there is no such account'
const SILENT = 'The content says nothing on any channel that could be tried: no element is for it.'
const WITHOUT_PROVIDER = 'No enabled provider carries a channel on which the recipient has an address.'

function describePlaces(channel: Channel, places: readonly Place[]): string {
  if (places.length === 0) return `the recipient has no address on ${channel}`
  return places.length === 1 ? 'the recipient has an address' : `the recipient has ${places.length} addresses`
}

function refuseAccount(account: Account): string | null {
  if (!account.enabled) return 'is disabled'
  if (account.health === 'MISCONFIGURED') return `its settings were refused: ${account.lastError ?? 'put it again'}`
  return null
}

function stepOf(account: Account, place: Place): Step {
  return { channel: account.channel, providerId: account.id, kind: account.kind, address: place.address }
}

/** `smtp, then (fcm and apns)` */
function inWords(node: RouteNode): string {
  if (node.kind === 'step') return node.step.providerId
  const parts = [...new Set(node.nodes.map((inner) => (isSimple(inner) ? inWords(inner) : `(${inWords(inner)})`)))]
  return parts.join(node.method === 'SINGLE' ? ', then ' : ' and ')
}

const isSimple = (node: RouteNode): boolean => new Set(stepsOf(node).map(({ providerId }) => providerId)).size === 1
