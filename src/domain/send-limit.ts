export const SEND_LIMIT_SCOPES = ['ALL', 'TENANT', 'USER', 'USER_TOPIC'] as const
export type SendLimitScope = (typeof SEND_LIMIT_SCOPES)[number]

export const SEND_LIMIT_PERIODS = ['HOUR', 'DAY', 'WEEK', 'MONTH'] as const
export type SendLimitPeriod = (typeof SEND_LIMIT_PERIODS)[number]

/** At most `max` messages in a calendar period (UTC; a week begins on Monday), for each of what the scope counts. */
export interface SendLimit {
  readonly scope: SendLimitScope
  readonly max: number
  readonly period: SendLimitPeriod
}

/** What a message is counted by. */
export interface Countable {
  readonly environmentId: string
  readonly tenantId: string | null
  readonly userId: string | null
  readonly topicId: string | null
}

/** Where a limit counts, in the period that a moment lies in. */
export interface Counter {
  readonly limit: SendLimit
  readonly environmentId: string
  /** Of scope, period and ids, not of the limit's max: one that is changed holds for what was counted before, too. */
  readonly key: string
  readonly periodStart: Date
}

/** Where a message counts: for each limit whose scope it has an id for. */
export function countersOf(limits: readonly SendLimit[], message: Countable, now: Date): readonly Counter[] {
  return limits.flatMap((limit) => {
    const ids = countedIds(limit.scope, message)
    if (ids.includes(null)) return []
    // No id has a line break; the user's place is known to store/send-limit.ts.
    const key = [limit.scope, limit.period, ...ids].join('\n')
    return [{ limit, environmentId: message.environmentId, key, periodStart: periodStart(limit.period, now) }]
  })
}

function countedIds(scope: SendLimitScope, { tenantId, userId, topicId }: Countable): readonly (string | null)[] {
  switch (scope) {
    case 'ALL':
      return []
    case 'TENANT':
      return [tenantId]
    case 'USER':
      return [userId]
    case 'USER_TOPIC':
      return [userId, topicId]
  }
}

function periodStart(period: SendLimitPeriod, now: Date): Date {
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
  switch (period) {
    case 'HOUR':
      return new Date(Date.UTC(year, month, day, now.getUTCHours()))
    case 'DAY':
      return new Date(Date.UTC(year, month, day))
    case 'WEEK':
      return new Date(Date.UTC(year, month, day - ((now.getUTCDay() + 6) % 7)))
    case 'MONTH':
      return new Date(Date.UTC(year, month))
  }
}

/** Whether a limit stops the next message, where so many were counted already. */
export function isOver({ limit }: Pick<Counter, 'limit'>, used: number): boolean {
  return used >= limit.max
}
