import type { Outcome, Outgoing } from '../channels/provider.ts'

/**
 * Whose fault a refusal of settings is. Where a send named its own sender, or put its own words over the request, what was
 * refused may be those, and one send stops no account that all others use: only refused credentials are the account's then.
 */
export function blameOf(outcome: Outcome, { extras, override }: Pick<Outgoing, 'extras' | 'override'>): Outcome {
  if (outcome.kind !== 'misconfigured' || outcome.isLogin) return outcome
  if (extras?.from === undefined && override === undefined) return outcome
  const { error, code } = outcome
  return { kind: 'rejected', what: 'request', error, ...(code !== undefined && { code }) }
}
