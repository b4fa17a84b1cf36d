import type { Channel, Outcome } from '../../src/channels/provider.ts'

/**
 * What G6 (reliability) promises of each class of fault at each place of a chain, as a table and the few lines that read it: on
 * purpose not the rule that the journey goes by.
 */

/** One try as its delivery tells of it. Where it is to be tried again, the history says RETRYING. */
interface Try {
  readonly outcome: 'ACCEPTED' | 'REJECTED' | 'RETRY' | 'MISCONFIGURED' | 'UNKNOWN'
  readonly code: string | null
  readonly error: string | null
  readonly isRetried: boolean
}

/** A class of what a call can come to (reliability G6), and what is promised of it. */
export interface Fault {
  /** What the account does, call by call; what comes after that it takes. */
  readonly answers: readonly (Outcome | 'throw' | 'hang')[]
  readonly onUnknown?: 'RESEND' | 'FAIL'
  readonly tries: readonly Try[]
  /** Where the message goes on: nowhere, at the next account, or at the next channel. */
  readonly goesOn: 'nowhere' | 'at the next account' | 'at the next channel'
  /** How it ends where there is nothing to go on at. null: it is tried again later, and taken. */
  readonly end: { readonly status: 'SENT' | 'UNDELIVERABLE'; readonly reason: string | null } | null
  /** At least this long lies between the first two tries. */
  readonly restMs?: number
}

const SENT = { status: 'SENT', reason: null } as const
const lost = (reason: string) => ({ status: 'UNDELIVERABLE', reason }) as const
const tried = (outcome: Try['outcome'], code: string | null, error: string | null, isRetried = false): Try => ({
  outcome,
  code,
  error,
  isRetried,
})
export const TAKEN = tried('ACCEPTED', '250', null)
export const ACCEPTED: Outcome = { kind: 'accepted', code: '250' }
const BUSY: Outcome = { kind: 'retry', error: 'Busy.', code: '450' }
export const UNKNOWN: Outcome = { kind: 'unknown', error: 'No answer came.' }
const asked = (afterMs: number): Outcome => ({ ...BUSY, afterMs })
const FAULT_OF_OURS = 'Something went wrong on our side while the provider was called.'

const ACCEPTS: Fault = { answers: [ACCEPTED], tries: [TAKEN], goesOn: 'nowhere', end: SENT }
export const REFUSES: Fault = {
  answers: [{ kind: 'rejected', what: 'request', error: 'Malformed.', code: '400' }],
  tries: [tried('REJECTED', '400', 'Malformed.')],
  goesOn: 'at the next account',
  end: lost('PROVIDER_ERROR'),
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  'takes it': ACCEPTS,
  'refuses the address': {
    answers: [{ kind: 'rejected', what: 'address', error: 'No such mailbox.', code: '550' }],
    tries: [tried('REJECTED', '550', 'No such mailbox.')],
    goesOn: 'at the next channel',
    end: lost('BOUNCED'),
  },
  'refuses the content': {
    answers: [{ kind: 'rejected', what: 'content', error: 'Too large.', code: '552' }],
    tries: [tried('REJECTED', '552', 'Too large.')],
    goesOn: 'at the next channel',
    end: lost('FAILED'),
  },
  'refuses the request': REFUSES,
  'refuses our login': {
    answers: [{ kind: 'misconfigured', error: 'Bad login.', code: '535' }],
    tries: [tried('MISCONFIGURED', '535', 'Bad login.')],
    goesOn: 'at the next account',
    end: lost('PROVIDER_ERROR'),
  },
  'is busy, twice': {
    answers: [BUSY, BUSY],
    tries: [tried('RETRY', '450', 'Busy.', true), tried('RETRY', '450', 'Busy.', true)],
    goesOn: 'at the next account',
    end: null,
  },
  'is busy, once': {
    answers: [BUSY],
    tries: [tried('RETRY', '450', 'Busy.', true), TAKEN],
    goesOn: 'nowhere',
    end: SENT,
  },
  'asks for a moment, twice': {
    answers: [asked(1_500), asked(1_500)],
    tries: [tried('RETRY', '450', 'Busy.', true), tried('RETRY', '450', 'Busy.', true)],
    goesOn: 'at the next account',
    end: null,
    restMs: 1_500,
  },
  'asks for a minute': {
    answers: [asked(60_000)],
    tries: [tried('RETRY', '450', 'Busy.', true)],
    goesOn: 'at the next account',
    end: null,
    restMs: 60_000,
  },
  'is silent once': {
    answers: [UNKNOWN],
    tries: [tried('UNKNOWN', null, 'No answer came.', true), TAKEN],
    goesOn: 'nowhere',
    end: SENT,
  },
  'is silent twice': {
    answers: [UNKNOWN, UNKNOWN],
    tries: [tried('UNKNOWN', null, 'No answer came.', true), tried('UNKNOWN', null, 'No answer came.')],
    goesOn: 'nowhere',
    end: lost('UNKNOWN'),
  },
  'is silent and not to be asked again': {
    answers: [UNKNOWN],
    onUnknown: 'FAIL',
    tries: [tried('UNKNOWN', null, 'No answer came.')],
    goesOn: 'nowhere',
    end: lost('UNKNOWN'),
  },
  'throws twice': {
    answers: ['throw', 'throw'],
    tries: [tried('UNKNOWN', null, FAULT_OF_OURS, true), tried('UNKNOWN', null, FAULT_OF_OURS)],
    goesOn: 'nowhere',
    end: lost('UNKNOWN'),
  },
  'throws and is not to be asked again': {
    answers: ['throw'],
    onUnknown: 'FAIL',
    tries: [tried('UNKNOWN', null, FAULT_OF_OURS)],
    goesOn: 'nowhere',
    end: lost('UNKNOWN'),
  },
  'hangs past its time': {
    answers: ['hang'],
    tries: [tried('UNKNOWN', null, 'No answer came.')],
    goesOn: 'at the next account',
    end: lost('UNKNOWN'),
  },
}

export type Id = 'mail' | 'post' | 'text' | 'bell'
export const CHANNEL_OF: Readonly<Record<Id, Channel>> = { mail: 'EMAIL', post: 'EMAIL', text: 'SMS', bell: 'INBOX' }

/** Where the account stands that fails; those before it refuse the request, those behind it take the message. */
export interface Position {
  readonly chain: readonly Id[]
  readonly failing: Id
  /** As the kept decision tells of it. */
  readonly route: string
}

export const POSITIONS: Readonly<Record<string, Position>> = {
  'the only account': { chain: ['mail'], failing: 'mail', route: 'mail' },
  'the first account of its channel': { chain: ['mail', 'post', 'text'], failing: 'mail', route: '(mail, then post), then text' },
  'the last account of its channel': { chain: ['mail', 'post', 'text'], failing: 'post', route: '(mail, then post), then text' },
  'the first channel': { chain: ['mail', 'text'], failing: 'mail', route: 'mail, then text' },
  'the last channel': { chain: ['mail', 'text'], failing: 'text', route: 'mail, then text' },
}

interface Visit {
  readonly id: Id
  readonly tries: readonly Try[]
}

/** What a chain is promised to come to: whom it calls in which order, how often, and how it ends. */
export function predict({ chain, failing }: Position, fault: Fault) {
  const faultOf = (id: Id) => (id === failing ? fault : chain.indexOf(id) < chain.indexOf(failing) ? REFUSES : ACCEPTS)
  const visits: Visit[] = []
  let at: Id = chain[0]!
  for (;;) {
    const { tries, goesOn, end } = faultOf(at)
    const behind = chain.slice(chain.indexOf(at) + 1)
    const next = behind.find((id) => goesOn === 'at the next account' || CHANNEL_OF[id] !== CHANNEL_OF[at])
    if (goesOn !== 'nowhere' && next !== undefined) {
      visits.push({ id: at, tries })
      at = next
      continue
    }
    visits.push({ id: at, tries: end === null ? [...tries, TAKEN] : tries })
    return { visits, ...(end ?? SENT), error: end?.reason ? tries.at(-1)!.error : null }
  }
}

export function deliveryOf({ id, tries }: Visit) {
  const { outcome } = tries.at(-1)!
  const ends = {
    ACCEPTED: 'SENT',
    UNKNOWN: 'UNKNOWN',
    RETRY: 'UNDELIVERABLE',
    REJECTED: 'UNDELIVERABLE',
    MISCONFIGURED: 'UNDELIVERABLE',
  }
  return {
    channel: CHANNEL_OF[id],
    providerId: id,
    status: ends[outcome],
    nextAttemptAt: null,
    attempts: tries.map(({ isRetried: _, ...attempt }, index) => ({ number: index + 1, ...attempt })),
  }
}

/** The history of a chain, each entry with the account it is about. */
export function eventsOf(visits: readonly Visit[]): readonly (readonly [string, Id])[] {
  return visits.flatMap(({ id, tries }, visit) => [
    ...(visit > 0 ? [['FAILED_OVER', id] as const] : []),
    ['RENDERED', id] as const,
    ...tries.flatMap(({ outcome, isRetried }) => [
      ['DELIVERING', id] as const,
      ...(isRetried ? [['RETRYING', id] as const] : []),
      ...(outcome === 'ACCEPTED' ? [['SENT', id] as const] : []),
    ]),
  ])
}
