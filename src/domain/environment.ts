import { badInput } from '../errors.ts'
import { openLogHead } from '../log/append.ts'
import { upsertEnvironment } from '../store/environment.ts'
import type { Command } from './command.ts'
import { checkName, checkSlug } from './id.ts'
import { checkRouting, type RoutingInput } from './routing.ts'
import type { SendLimit } from './send-limit.ts'

/**
 * routing: where neither message nor template has one. What is left out is taken away. trackOpens, trackClicks: of emails, where
 * neither the send nor the template says otherwise.
 */
export interface PutEnvironmentInput {
  readonly id: string
  readonly name: string
  readonly routing?: RoutingInput | null
  readonly sendLimits: readonly SendLimit[]
  readonly trackOpens: boolean
  readonly trackClicks: boolean
}

/** The environment that exists at start and that CARILLON_ADMIN_KEY opens. */
export const FIRST_ENVIRONMENT = 'production'

/** Makes an environment with a log of its own, or replaces what is said of it. */
export const putEnvironment: Command<PutEnvironmentInput, { id: string }> = async (scope, input) => {
  const { id, name, routing, sendLimits, trackOpens, trackClicks } = input
  checkSlug(id, ['id'])
  checkName(name, ['input', 'name'])
  await upsertEnvironment(scope.tx, {
    id,
    name,
    routing: routing == null ? null : checkRouting(routing, ['input', 'routing']),
    sendLimits: checkSendLimits(sendLimits),
    trackOpens,
    trackClicks,
    updatedAt: scope.now,
  })
  await openLogHead(scope.tx, id)
  return { id }
}

const MOST_LIMITS = 20

/** Two of the same scope and period would say two things about the same messages. */
function checkSendLimits(limits: readonly SendLimit[]): readonly SendLimit[] {
  const path = ['input', 'sendLimits']
  if (limits.length > MOST_LIMITS) throw badInput(path, `'sendLimits' may hold at most ${MOST_LIMITS} limits.`)
  const seen = new Set<string>()
  return limits.map(({ scope, max, period }, index) => {
    if (max < 1) throw badInput([...path, index, 'max'], "'max' must be at least 1.")
    const name = `${scope} and ${period}`
    if (seen.has(name)) throw badInput([...path, index], `There may be only one limit for ${name}.`)
    seen.add(name)
    return { scope, max, period }
  })
}
