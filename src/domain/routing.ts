import type { Channel } from '../channels/provider.ts'
import { badInput } from '../errors.ts'
import { checkSlug } from './id.ts'

/** SINGLE: in order, until one takes the message. ALL: every one, independently of the others. */
export const ROUTING_METHODS = ['SINGLE', 'ALL'] as const
export type RoutingMethod = (typeof ROUTING_METHODS)[number]

/** Which channels and accounts are tried, and how. It is kept as it stands here: with a request, a template, an environment. */
export interface Routing {
  readonly method: RoutingMethod
  readonly channels: readonly RoutingStep[]
}

/** A channel with its accounts in their order, one account by its id, or a tree within the tree. */
export type RoutingStep = { readonly channel: Channel } | { readonly providerId: string } | { readonly routing: Routing }

export interface RoutingInput {
  readonly method: RoutingMethod
  readonly channels: readonly RoutingStepInput[]
}

/** Exactly one of them is given. */
export interface RoutingStepInput {
  readonly channel?: Channel | null
  readonly providerId?: string | null
  readonly routing?: RoutingInput | null
}

type Path = readonly (string | number)[]

const MOST_STEPS = 20
const MOST_LEVELS = 5
const MOST_LEAVES = 50

/**
 * The tree as it is kept. Whether the accounts that it names exist is not asked: one that does not is passed over by the plan.
 *
 * @throws Refusal BAD_USER_INPUT for a level that is empty or of over 20 steps, over 5 levels, over 50 channels and accounts
 */
export function checkRouting(input: RoutingInput, path: Path): Routing {
  const routing = checkLevel(input, path, 1)
  if (countLeaves(routing) <= MOST_LEAVES) return routing
  throw badInput(path, `'${path.at(-1)}' may name at most ${MOST_LEAVES} channels and providers.`)
}

function checkLevel({ method, channels }: RoutingInput, path: Path, level: number): Routing {
  if (level > MOST_LEVELS) throw badInput(path, `A routing may be at most ${MOST_LEVELS} levels deep.`)
  if (channels.length === 0 || channels.length > MOST_STEPS) {
    throw badInput([...path, 'channels'], `'channels' must hold 1 to ${MOST_STEPS} steps.`)
  }
  return { method, channels: channels.map((step, index) => checkStep(step, [...path, 'channels', index], level)) }
}

function checkStep({ channel, providerId, routing }: RoutingStepInput, path: Path, level: number): RoutingStep {
  if (channel != null) return { channel }
  if (providerId != null) return { providerId: checkSlug(providerId, [...path, 'providerId']) }
  if (routing != null) return { routing: checkLevel(routing, [...path, 'routing'], level + 1) }
  throw badInput(path, "A step needs exactly one of 'channel', 'providerId' and 'routing'.")
}

function countLeaves({ channels }: Routing): number {
  return channels.reduce((sum, step) => sum + ('routing' in step ? countLeaves(step.routing) : 1), 0)
}
