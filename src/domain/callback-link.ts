import type { Provider } from '../channels/provider.ts'
import type { Account } from './account.ts'

/** Where one provider account reports what becomes of its messages. */
export interface CallbackPlace {
  readonly environmentId: string
  readonly providerId: string
}

/**
 * URLs that providers report to. Each holds for one account, cannot be guessed, stays the same for as long as the account
 * has its id, and outlives the rotation of CARILLON_SECRET. It is what vouches for providers that sign nothing.
 */
export interface CallbackLinks {
  /** Null where the account's kind reports nothing. */
  urlOf(environmentId: string, account: Pick<Account, 'id' | 'kind'>): string | null
  /** The same with a token that was given out earlier: a provider signs the URL as it was told it. */
  urlWith(place: CallbackPlace, token: string): string
  /** Whether the token was made here for this place. Takes the same time for any other. */
  opens(place: CallbackPlace, token: string): boolean
}

export interface CallbackLinkParts {
  readonly signer: {
    sign(purpose: string, text: string): string
    verify(purpose: string, text: string, signature: string): boolean
  }
  readonly providers: readonly Provider[]
  /** Where the outside reaches us, no slash at its end; asked at each URL, since a port is known only once it listens. */
  readonly publicUrl: () => string
}

/** Below this path, `/<environment>/<account>/<token>`. */
export const CALLBACK_PATH = '/callbacks'
const PURPOSE = 'callback'

export function createCallbackLinks({ signer, providers, publicUrl }: CallbackLinkParts): CallbackLinks {
  const reporting = new Set(providers.flatMap(({ kind, readCallback }) => (readCallback ? [kind] : [])))
  const urlWith = ({ environmentId, providerId }: CallbackPlace, token: string) =>
    `${publicUrl()}${CALLBACK_PATH}/${environmentId}/${providerId}/${token}`
  return {
    urlWith,
    urlOf(environmentId, { id: providerId, kind }) {
      if (!reporting.has(kind)) return null
      const place = { environmentId, providerId }
      return urlWith(place, signer.sign(PURPOSE, textOf(place)))
    },
    opens: (place, token) => signer.verify(PURPOSE, textOf(place), token),
  }
}

const textOf = ({ environmentId, providerId }: CallbackPlace) => JSON.stringify([environmentId, providerId])
