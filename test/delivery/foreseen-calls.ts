import { CHANNELS, type Channel } from '../../src/channels/provider.ts'
import type { ChannelInput } from '../../src/domain/channel-settings.ts'
import type { PlannedStep } from '../../src/domain/plan-send.ts'
import type { RoutingInput, RoutingStepInput } from '../../src/domain/routing.ts'
import { ACCOUNTS, type Answer, type Configuration } from './configuration.ts'
import type { Called } from './rehearsal.ts'

/** The routing that a plan's steps are of, as a reader of the API would put it together. */
export type Tree =
  | { readonly kind: 'step'; readonly key: string; readonly step: Called }
  | { readonly kind: 'branch'; readonly method: 'SINGLE' | 'ALL'; readonly nodes: readonly Tree[] }

const EVERY_CHANNEL: RoutingInput = { method: 'SINGLE', channels: CHANNELS.map((channel) => ({ channel })) }

const SETTINGS = {
  EMAIL: 'email',
  SMS: 'sms',
  PUSH: 'push',
  INBOX: 'inbox',
  DIRECT_MESSAGE: 'directMessage',
  WEBHOOK: 'webhook',
} as const

export const keyOf = ({ providerId, address }: Called) => `${providerId} ${address}`

/**
 * The message's routing with the accounts and addresses that the plan has steps for: an account is either of use wherever
 * the routing comes by it, or nowhere.
 */
export function treeOf({ input, template, routing, accounts }: Configuration, steps: readonly PlannedStep[]): Tree {
  const priorities = new Map(accounts.map(({ id, priority }) => [id, priority]))
  const ordered = Object.keys(ACCOUNTS).sort((a, b) => (priorities.get(a) ?? 0) - (priorities.get(b) ?? 0) || (a < b ? -1 : 1))

  const branch = (method: 'SINGLE' | 'ALL', nodes: readonly Tree[]): Tree => ({ kind: 'branch', method, nodes })
  const ofAccount = (id: string): Tree => {
    const own = new Map(steps.filter(({ providerId }) => providerId === id).map((step) => [keyOf(step), step]))
    return branch(
      'ALL',
      [...own].map(([key, { channel, providerId, address }]) => ({ kind: 'step', key, step: { channel, providerId, address } })),
    )
  }
  const ofChannel = (channel: Channel): Tree => {
    const name = SETTINGS[channel]
    const settings: ChannelInput = { ...template?.channels?.[name], ...input.channels?.[name] }
    const ids = settings.providerIds ?? ordered
    const own = ids.filter((id) => ACCOUNTS[id as keyof typeof ACCOUNTS]?.[0] === channel)
    return branch(settings.method ?? 'SINGLE', own.map(ofAccount))
  }
  const ofStep = ({ channel, providerId, routing: inner }: RoutingStepInput): Tree => {
    if (channel) return ofChannel(channel)
    return providerId ? ofAccount(providerId) : ofLevel(inner!)
  }
  const ofLevel = ({ method, channels }: RoutingInput): Tree => branch(method, channels.map(ofStep))
  return ofLevel(input.routing ?? template?.routing ?? routing ?? EVERY_CHANNEL)
}

export function leavesOf(tree: Tree): readonly (Tree & { kind: 'step' })[] {
  return tree.kind === 'step' ? [tree] : tree.nodes.flatMap(leavesOf)
}

/** The keys of the steps that are tried at once, and first. @param isOpen false: passed over for now */
export function firstOf(tree: Tree, isOpen: (step: Called) => boolean): ReadonlySet<string> {
  if (tree.kind === 'step') return new Set(isOpen(tree.step) ? [tree.key] : [])
  const parts = tree.nodes.map((node) => firstOf(node, isOpen))
  if (tree.method === 'ALL') return new Set(parts.flatMap((part) => [...part]))
  return parts.find((part) => part.size > 0) ?? new Set()
}

export interface Circumstances {
  /** False: its account is passed over for a while. */
  isOpen(step: Called): boolean
  answerOf(step: Called): Answer
  /** The service came with the address: what it answers is not said of its account. */
  isUserNamed(step: Called): boolean
}

/** What is wrong with the calls that were made for a tree whose message has ended; none: they are what the tree asks for. */
export function faultsOf(tree: Tree, calls: readonly Called[], circumstances: Circumstances): readonly string[] {
  const order = new Map(calls.map((call, index) => [keyOf(call), index]))
  const leaves = leavesOf(tree)
  const known = new Set(leaves.map(({ key }) => key))
  const faults = calls.filter((call) => !known.has(keyOf(call))).map((call) => `${keyOf(call)} was called and is no step`)
  if (order.size < calls.length) faults.push('a step was called twice')
  const isAccepted = ({ key, step }: Tree & { kind: 'step' }) => order.has(key) && circumstances.answerOf(step) === 'accepted'
  const isDead = ({ step }: Tree & { kind: 'step' }) => calls.some((call) => endedBy(call, step, circumstances))

  const uncalled = (node: Tree, isEnded: boolean): void => {
    if (node.kind === 'step') {
      if (!isEnded && !order.has(node.key) && !isDead(node)) faults.push(`${node.key} was not called, and nothing ended it`)
      return
    }
    const taken = node.method === 'SINGLE' ? node.nodes.findIndex((inner) => leavesOf(inner).some(isAccepted)) : -1
    for (const [place, inner] of node.nodes.entries()) uncalled(inner, isEnded || (taken >= 0 && taken !== place))
  }
  uncalled(tree, false)
  return [...faults, ...outOfOrder(tree, order, onlyOnce(leaves.filter(({ step }) => circumstances.isOpen(step))))]
}

/** Whether what a call was answered is said of another step, too. */
function endedBy(call: Called, step: Called, { answerOf, isUserNamed }: Circumstances): boolean {
  switch (answerOf(call)) {
    case 'accepted':
      return false
    case 'content':
      return call.channel === step.channel
    case 'address':
      return call.channel === step.channel && call.address === step.address
    default:
      return call.providerId === step.providerId && (!isUserNamed(call) || call.address === step.address)
  }
}

/** A step that stands twice in the tree has two reasons to be called. */
function onlyOnce(leaves: readonly { readonly key: string }[]): ReadonlySet<string> {
  const keys = leaves.map(({ key }) => key)
  return new Set(keys.filter((key) => keys.indexOf(key) === keys.lastIndexOf(key)))
}

/** In a SINGLE a node's calls come after those of the nodes before it. once: whose calls are looked at. */
function outOfOrder(tree: Tree, order: ReadonlyMap<string, number>, once: ReadonlySet<string>): readonly string[] {
  if (tree.kind === 'step') return []
  const inner = tree.nodes.flatMap((node) => outOfOrder(node, order, once))
  if (tree.method === 'ALL') return inner
  let latest = -1
  const faults: string[] = []
  for (const node of tree.nodes) {
    const own = leavesOf(node).flatMap(({ key }) => (once.has(key) ? (order.get(key) ?? []) : []))
    if (own.some((place) => place < latest)) faults.push(`${leavesOf(node)[0]!.key} was called too early`)
    latest = Math.max(latest, ...own)
  }
  return [...inner, ...faults]
}
