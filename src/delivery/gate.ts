import type { Outcome } from '../channels/provider.ts'
import type { Step } from '../domain/plan.ts'
import { isUserNamed } from '../domain/route.ts'
import type { Work } from '../queue/kinds.ts'
import { type BegunCall, type Breakers, type CalledAccount, type News, SLOW_MS } from './breaker.ts'
import type { Letter } from './letter.ts'
import type { PassedOver } from './turns.ts'

/** What stands between a message and the providers of its steps: their breakers. */
export interface Gates {
  readonly passedOver: PassedOver
  /** Right after it was not passed over, before anything is waited for. */
  begin(step: Step, isRetry: boolean): Gate
}

/** One attempt's way through: it is passed, or dropped. */
export interface Gate {
  /** Makes the call, and `calling` is told when the provider's part begins. What lasts leaves its slot to others. */
  pass(work: Work, call: (calling: () => void) => Promise<Outcome>): Promise<Outcome>
  dropped(): void
  /** What changed about the account with this call. */
  takeNews(): News | null
}

export function createGates(breakers: Breakers, letter: Letter): Gates {
  return {
    passedOver: (step, isRetry) => breakers.notBefore(calledAccount(letter, step), isRetry),
    begin(step, isRetry) {
      const account = calledAccount(letter, step)
      const begun = breakers.begin(account, isRetry)
      return {
        pass: (work, call) => pass(begun, work, call),
        dropped: () => begun.dropped(),
        takeNews: () => (isUserNamed(step) ? null : breakers.takeNews(account)),
      }
    },
  }
}

/** Makes a call that was begun. What lasts leaves its slot to others, and counts as slow. */
export async function pass(begun: BegunCall, work: Work, call: (calling: () => void) => Promise<Outcome>): Promise<Outcome> {
  const waits = setTimeout(() => work.leaveSlot(), SLOW_MS)
  let lasts: NodeJS.Timeout | undefined
  const calling = () => {
    lasts = setTimeout(() => begun.slow(), SLOW_MS)
  }
  try {
    const outcome = await call(calling)
    // What this process itself broke off says nothing of whom it called.
    if (!work.signal.aborted) begun.ended(outcome)
    return outcome
  } finally {
    clearTimeout(waits)
    clearTimeout(lasts)
    begun.dropped()
  }
}

/** A service that the user named has a breaker of its own: what it does is not said of the account. */
function calledAccount({ row, accounts }: Letter, step: Step): CalledAccount {
  const { environmentId } = row
  const { id, version, failingUntil } = accounts.find((account) => account.id === step.providerId)!
  if (!isUserNamed(step)) return { environmentId, id, version, failingUntil }
  const { chat, id: address } = step.address
  const origin = URL.parse(chat?.value ?? address)?.origin ?? ''
  return { environmentId, id: `${id}\n${origin}`, version, failingUntil: null }
}
