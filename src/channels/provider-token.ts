import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Outcome } from './provider.ts'

const ACCOUNTS_KEPT = 1_000

/** What a provider's credentials were exchanged for, or were signed into. `until`: from then on another one is asked for. */
export interface ProviderToken {
  readonly value: string
  readonly until: Date
}

/** refused: none could be had, and the message that wanted it was not sent. */
export type Renewal = ProviderToken | { readonly refused: Outcome }

export interface TokenCall {
  /** What it stands for: an account whose credentials change is not helped by its old token. */
  readonly credentials: string
  readonly now: Date
  readonly signal: AbortSignal
  readonly renew: () => Promise<Renewal>
}

export interface ProviderTokens {
  /** The one that is kept, or a new one, for which callers that come together wait. `isNew`: it was made for this call. */
  get(call: TokenCall): Promise<{ readonly value: string; readonly isNew: boolean } | { readonly refused: Outcome }>
  /** The provider said that it is worth nothing any more. */
  forget(credentials: string, value: string): void
}

/** Keeps the tokens that providers want instead of credentials, for as long as they last. */
export function createProviderTokens(): ProviderTokens {
  const kept = new LRUCache<string, { renewing: Promise<Renewal>; token?: ProviderToken }>({ max: ACCOUNTS_KEPT })

  async function get({ credentials, now, signal, renew }: TokenCall) {
    const key = keyOf(credentials)
    let entry = kept.get(key)
    if (entry?.token && entry.token.until > now) return { value: entry.token.value, isNew: false }
    if (!entry || entry.token) {
      entry = { renewing: renew() }
      kept.set(key, entry)
      settle(key, entry)
    }
    const renewed = await untilAborted(entry.renewing, signal)
    return 'refused' in renewed ? renewed : { value: renewed.value, isNew: true }
  }

  function settle(key: string, entry: { renewing: Promise<Renewal>; token?: ProviderToken }): void {
    const drop = () => {
      if (kept.peek(key) === entry) kept.delete(key)
    }
    entry.renewing.then((renewed) => {
      if ('refused' in renewed) drop()
      else entry.token = renewed
    }, drop)
  }

  function forget(credentials: string, value: string): void {
    const key = keyOf(credentials)
    if (kept.peek(key)?.token?.value === value) kept.delete(key)
  }

  return { get, forget }
}

/** Not the credentials themselves: what is a key is easily printed. */
function keyOf(credentials: string): string {
  return createHash('sha256').update(credentials).digest('base64url')
}

/** Whoever gives up leaves the others their token. */
function untilAborted(renewing: Promise<Renewal>, signal: AbortSignal): Promise<Renewal> {
  const refused: Outcome = { kind: 'retry', error: 'The call was given up before it was written.' }
  if (signal.aborted) return Promise.resolve({ refused })
  return new Promise((resolve, reject) => {
    const stop = () => resolve({ refused })
    signal.addEventListener('abort', stop, { once: true })
    renewing.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
