import { LRUCache } from 'lru-cache'
import type { Outcome } from '../channels/provider.ts'
import { type Crowd, type CrowdLimits, createCrowd, type LastCall } from './crowd.ts'
import { createTraffic } from './traffic.ts'

/** A call that lasts longer is slow: its job leaves its slot, and it counts against its account's share. */
export const SLOW_MS = 500

/** What differs between those that are called. */
export interface BreakerLimits {
  /** What one of them is, as the log names it. */
  readonly called: { readonly field: string; readonly noun: string }
  /** What keeps them from crowding each other out, where there are very many; null: there are few. */
  readonly crowd: CrowdLimits | null
  /** Slow calls of one of them under way in this process, from which on it is over its share (reliability G25). */
  readonly share: number
  /** The same of one that answers all the same; while it is crowded it has its share alone. */
  readonly busyShare: number
  readonly firstOpenMs: number
  readonly longestOpenMs: number
}

const OF_PROVIDERS: BreakerLimits = {
  called: { field: 'provider', noun: 'A provider' },
  crowd: null,
  share: 32,
  busyShare: 128,
  firstOpenMs: 10_000,
  longestOpenMs: 5 * 60_000,
}

/** One that answered within this time does not hang: it may have more slow calls, and is looked at again sooner. */
const ANSWERING_MS = 5_000
const BUSY_REST_MS = 300

const FAILURES_IN_A_ROW = 5
/** At least this part of at least so many calls that ended within this time. */
const FAILING_PART = 0.5
const FAILING_CALLS = 20
const FAILING_WINDOW_MS = 30_000

/** Part of an opening that chance takes away, so that processes do not probe at once. */
const OPEN_JITTER = 0.2
/** A probe that did not end by then never will: nothing lasts longer than its call and the writes around it. */
const PROBE_LOST_MS = 2 * 60_000

const RETRY_PART = 0.1
const RETRY_WINDOW_MS = 60_000
const FREE_RETRIES = 10
const FREE_RETRIES_WINDOW_MS = 10_000

const REST_MS = 1_000
/** Each call that was passed over lately puts the next one's return off by up to this, so that they do not come back at once. */
const SPREAD_MS = 20
const SPREAD_WINDOW_MS = 30_000
const LONGEST_SPREAD_MS = 30_000

const REMEMBERED = 10_000

/** An account as the letter that was read knows it. */
export interface CalledAccount {
  readonly environmentId: string
  readonly id: string
  /** Changes with its settings; what was learned with others is forgotten. */
  readonly version: string
  /** Until when a process said that it fails. */
  readonly failingUntil: Date | null
  /** Its last call failed, whichever process made it. Absent: nobody knows. */
  readonly isFailing?: boolean
}

/** What is to be told of an account. FAILING: it is passed over until then. */
export interface News {
  readonly health: 'OK' | 'FAILING'
  readonly lastError: string | null
  readonly until: Date | null
}

/** A call that was decided on. Exactly one of ended and dropped follows; what comes after that is ignored. */
export interface BegunCall {
  /** It has lasted longer than SLOW_MS. */
  slow(): void
  ended(outcome: Outcome): void
  /** It was not made, or this process itself broke it off: it says nothing of the account. */
  dropped(): void
}

/** Why a call is not made now. */
export interface Rest {
  readonly until: Date
  /** The same without what spreads those that were passed over. */
  readonly opensAt: Date
  readonly isBusy: boolean
}

/** Which accounts may be called, by what became of their calls in this process and by what others wrote. */
export interface Breakers {
  /**
   * Null: it may be called now, if `begin` follows in the same turn of the event loop. Otherwise when to ask again, in
   * which case the call is passed over: the breaker is open or its probe is under way, the account is over its share of
   * the slots, or its retries are used up. One that is over its share and answers all the same is busy: its turn is worth
   * waiting for.
   *
   * @param isRetry whether the message was tried with this account and address before
   */
  notBefore(account: CalledAccount, isRetry: boolean): Rest | null
  begin(account: CalledAccount, isRetry: boolean): BegunCall
  /** What changed with the last call that ended, once: to be written with that call's result. */
  takeNews(account: CalledAccount): News | null
}

export interface BreakerParts {
  readonly now: () => Date
  /** In [0, 1). */
  readonly random: () => number
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
  /** Absent: those of providers' accounts. */
  readonly limits?: BreakerLimits
}

/**
 * One breaker for each account, in this process (reliability G6, G25). It opens after five failures in a row, or where half of
 * at least twenty calls in 30 s failed; for 10 s, then for one probe, and twice as long after each that failed, up to
 * 5 min. Of an account's calls in a minute a tenth may be retries that have not worked, and ten in 10 s always may.
 */
export function createBreakers(parts: BreakerParts): Breakers {
  const { called, crowd: limits } = parts.limits ?? OF_PROVIDERS
  const crowd = limits && createCrowd(limits)
  const breakers = new LRUCache<string, Breaker>({ max: REMEMBERED })
  const breakerOf = (account: CalledAccount): Breaker => {
    const key = `${account.environmentId}\n${account.id}\n${account.version}`
    const known = breakers.get(key) ?? createBreaker({ ...parts, crowd }, account, called.field)
    breakers.set(key, known)
    return known
  }
  return {
    notBefore(account, isRetry) {
      const breaker = breakerOf(account)
      if (account.failingUntil !== null) breaker.learn(account.failingUntil)
      return breaker.notBefore(isRetry)
    },
    begin: (account, isRetry) => breakerOf(account).begin(isRetry),
    takeNews: (account) => breakerOf(account).takeNews(),
  }
}

interface Breaker {
  learn(failingUntil: Date): void
  notBefore(isRetry: boolean): Rest | null
  begin(isRetry: boolean): BegunCall
  takeNews(): News | null
}

function createBreaker(parts: BreakerParts & { readonly crowd: Crowd | null }, account: CalledAccount, field: string): Breaker {
  const { now, random, log, limits = OF_PROVIDERS, crowd } = parts
  const { called, share, busyShare, firstOpenMs, longestOpenMs } = limits
  const { environmentId } = account
  const name = { environment: environmentId, [field]: account.id }
  const traffic = createTraffic()
  const slow = new Set<symbol>()
  let underWay = 0
  let last: LastCall = account.isFailing === true ? 'LATE' : 'UNKNOWN'
  /** Null: closed. Open until then, half open afterwards; openMs doubles with each probe that failed. */
  let opened: { readonly openMs: number; readonly until: number } | null = null
  let probe: { readonly call: symbol; readonly at: number } | null = null
  let failuresInARow = 0
  /** Of another opening or closing: calls that began before it say nothing of what holds since. */
  let period = 0
  /** The latest end of an opening that is known, whichever process said so. */
  let latestUntil = 0
  let news: News | null = null

  const enter = (next: typeof opened): void => {
    opened = next
    probe = null
    period += 1
    failuresInARow = 0
    traffic.forgetEnded()
  }

  const open = (openMs: number, restMs: number, error: string): void => {
    const until = now().getTime() + Math.ceil(restMs)
    enter({ openMs, until })
    latestUntil = Math.max(latestUntil, until)
    news = { health: 'FAILING', lastError: error, until: new Date(until) }
    log.warn({ ...name, until: new Date(until) }, `${called.noun} fails and is passed over.`)
  }

  const close = (outcome: Outcome): void => {
    enter(null)
    // Refused settings are a health of their own, which is written with the call.
    news = outcome.kind === 'misconfigured' ? null : { health: 'OK', lastError: null, until: null }
    log.info(name, `${called.noun} answers again.`)
  }

  const jittered = (openMs: number): number => openMs * (1 - OPEN_JITTER * random())

  const probed = (outcome: Outcome, openMs: number): void => {
    const verdict = verdictOf(outcome)
    const longer = Math.min(openMs * 2, longestOpenMs)
    if (verdict.kind === 'worked') close(outcome)
    else if (verdict.kind === 'throttled') open(openMs, Math.min(verdict.afterMs, longestOpenMs), verdict.error)
    else open(longer, jittered(longer), verdict.error)
  }

  const counted = (outcome: Outcome): void => {
    const verdict = verdictOf(outcome)
    const time = now().getTime()
    // A call that timed out has ended, too.
    if (outcome.kind !== 'unknown') traffic.add('answered', time)
    if (verdict.kind === 'throttled') return
    traffic.add('ended', time)
    if (verdict.kind === 'worked') {
      failuresInARow = 0
      return
    }
    failuresInARow += 1
    traffic.add('failed', time)
    if (failuresInARow >= FAILURES_IN_A_ROW || isFailing(time)) open(firstOpenMs, jittered(firstOpenMs), verdict.error)
  }

  const isFailing = (time: number): boolean => {
    const ended = traffic.count('ended', FAILING_WINDOW_MS, time)
    return ended >= FAILING_CALLS && traffic.count('failed', FAILING_WINDOW_MS, time) >= ended * FAILING_PART
  }

  const mayRetry = (time: number): boolean =>
    traffic.count('retries', FREE_RETRIES_WINDOW_MS, time) < FREE_RETRIES ||
    traffic.count('retries', RETRY_WINDOW_MS, time) + 1 <= (traffic.count('calls', RETRY_WINDOW_MS, time) + 1) * RETRY_PART

  const isProbing = (time: number): boolean => probe !== null && Math.abs(time - probe.at) < PROBE_LOST_MS

  const isAnswering = (time: number): boolean => traffic.count('answered', ANSWERING_MS, time) > 0

  /** Null: nothing stands against a call. */
  const restUntil = (isRetry: boolean, time: number): { readonly until: number; readonly isBusy: boolean } | null => {
    if (opened !== null && time < opened.until) return { until: opened.until, isBusy: false }
    const until = time + REST_MS * (0.75 + 0.5 * random())
    if (opened !== null && isProbing(time)) return { until, isBusy: false }
    const soon = time + BUSY_REST_MS * (0.75 + 0.5 * random())
    const isCrowded = crowd?.isCrowded(environmentId) ?? false
    if (crowd !== null && underWay >= crowd.mostUntried(environmentId, last)) {
      const isTried = isAnswering(time) && !(isCrowded && last === 'LATE')
      if (!isTried) return { until: slow.size >= underWay ? until : soon, isBusy: false }
    }
    if (slow.size >= share && !isAnswering(time)) return { until, isBusy: false }
    if (slow.size >= (isCrowded ? share : busyShare)) return { until: soon, isBusy: true }
    return isRetry && !mayRetry(time) ? { until, isBusy: false } : null
  }

  return {
    learn(failingUntil) {
      const until = failingUntil.getTime()
      if (until <= latestUntil) return
      latestUntil = until
      if (opened === null) enter({ openMs: firstOpenMs, until })
      else opened = { ...opened, until: Math.max(opened.until, until) }
    },

    notBefore(isRetry) {
      const time = now().getTime()
      // A clock that was set back would keep it open for as long.
      if (opened !== null && opened.until > time + longestOpenMs) opened = { ...opened, until: time + longestOpenMs }
      const rest = restUntil(isRetry, time)
      if (rest === null) return null
      const opensAt = new Date(Math.ceil(rest.until))
      if (rest.isBusy) return { until: opensAt, opensAt, isBusy: true }
      const others = traffic.count('passedOver', SPREAD_WINDOW_MS, time)
      traffic.add('passedOver', time)
      const spreadMs = random() * Math.min(others * SPREAD_MS, LONGEST_SPREAD_MS)
      return { until: new Date(Math.ceil(rest.until + spreadMs)), opensAt, isBusy: rest.isBusy }
    },

    begin(isRetry) {
      const call = Symbol()
      const began = now().getTime()
      const begunIn = period
      let isOver = false
      underWay += 1
      traffic.add('calls', began)
      if (isRetry) traffic.add('retries', began)
      if (opened !== null && !isProbing(began)) probe = { call, at: began }

      const end = (outcome: Outcome | null): void => {
        if (isOver) return
        isOver = true
        underWay -= 1
        if (slow.delete(call)) crowd?.leave(environmentId)
        const isProbe = probe?.call === call
        if (isProbe) probe = null
        if (outcome === null) traffic.takeBack('calls', began)
        if (isRetry && (outcome === null || verdictOf(outcome).kind === 'worked')) traffic.takeBack('retries', began)
        if (outcome === null) return
        last = outcome.kind !== 'unknown' && now().getTime() - began <= ANSWERING_MS ? 'IN_TIME' : 'LATE'
        if (isProbe && opened !== null) probed(outcome, opened.openMs)
        else if (opened === null && begunIn === period) counted(outcome)
      }
      return {
        slow() {
          if (isOver || slow.has(call)) return
          slow.add(call)
          crowd?.add(environmentId)
        },
        ended: (outcome) => end(outcome),
        dropped: () => end(null),
      }
    },

    takeNews() {
      const told = news
      news = null
      return told
    },
  }
}

type Verdict =
  | { readonly kind: 'worked' }
  | { readonly kind: 'throttled'; readonly afterMs: number; readonly error: string }
  | { readonly kind: 'failed'; readonly error: string }

/** A code and no words: what is told of an account is read by others than whom a message concerns. */
const CODE = /^[\w.-]{1,64}$/

/**
 * What an answer says of the provider itself: one that refuses a message, or one recipient for now, works, and one that names
 * a time is busy.
 */
function verdictOf(outcome: Outcome): Verdict {
  if (outcome.kind === 'unknown') return { kind: 'failed', error: 'No answer came.' }
  if (outcome.kind !== 'retry' || outcome.about === 'address') return { kind: 'worked' }
  const { code = '', afterMs = 0 } = outcome
  const error = CODE.test(code) ? `It answered ${code}.` : 'It could not be called.'
  return afterMs > 0 ? { kind: 'throttled', afterMs, error } : { kind: 'failed', error }
}
