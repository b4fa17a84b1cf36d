import { createClient } from 'graphql-ws'

/** The public API as any caller has it. */
export interface Api {
  /** Where the server listens, without a slash at the end. */
  readonly url: string
  /** A query or mutation. Throws an Error with the server's own words where it refuses. */
  call<Data>(document: string, variables?: Record<string, unknown>): Promise<Data>
  /** A subscription over WebSocket, which begins at once. Ends with the signal, or with `close`. */
  follow<Data>(document: string, variables: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<Data, void, void>
  /** The text of a page outside the graph; null where there is none. */
  page(path: string): Promise<string | null>
  /** Posts a form to any address, as a browser or a mail program would: without the key. The status of the answer. */
  submit(url: string, form: Readonly<Record<string, string>>): Promise<number>
  /** Opens any address as a browser would, without the key and no further than its first answer. */
  visit(url: string): Promise<void>
  close(): Promise<void>
}

interface Answer<Data> {
  readonly data?: Data | null
  readonly errors?: readonly { readonly message: string }[]
}

/** The longest that a call is waited for. */
const ANSWER_MS = 15_000

/**
 * @param key an API key, `ck_live_…`
 * @param signal ends everything that still runs
 */
export function createApi(url: string, key: string, signal: AbortSignal): Api {
  const authorization = `Bearer ${key}`
  const sockets = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    connectionParams: { authorization },
    retryAttempts: 2,
  })
  return {
    url,
    async call<Data>(document: string, variables: Record<string, unknown> = {}) {
      signal.throwIfAborted()
      // Not broken off: the server would do what was asked all the same, after whoever ends here has tidied up.
      const response = await post(`${url}/graphql`, {
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify({ query: document, variables }),
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      const answer = (await response.json()) as Answer<Data>
      signal.throwIfAborted()
      return dataOf(answer)
    },
    follow<Data>(document: string, variables: Record<string, unknown>, until: AbortSignal) {
      const results = sockets.iterate<Data>({ query: document, variables })
      AbortSignal.any([signal, until]).addEventListener('abort', () => void results.return?.())
      return unwrap(results)
    },
    async page(path: string) {
      const response = await fetch(`${url}${path}`, { signal })
      return response.ok ? response.text() : null
    },
    async submit(url: string, form: Readonly<Record<string, string>>) {
      const response = await post(url, { body: new URLSearchParams(form), redirect: 'manual', signal })
      await response.body?.cancel()
      return response.status
    },
    async visit(url: string) {
      const response = await fetch(url, { redirect: 'manual', signal })
      await response.body?.cancel()
    },
    async close() {
      await sockets.dispose()
    },
  }
}

async function post(url: string, init: RequestInit): Promise<Response> {
  return fetch(url, { ...init, method: 'POST' }).catch((error: Error) => {
    const words = (error.cause as Error | undefined)?.message ?? error.message
    throw new Error(`${new URL(url).origin} does not answer: ${words}.`, { cause: error })
  })
}

async function* unwrap<Data>(results: AsyncIterable<Answer<Data>>): AsyncGenerator<Data, void, void> {
  for await (const result of results) yield dataOf(result)
}

function dataOf<Data>({ data, errors }: Answer<Data>): Data {
  if (errors && errors.length > 0) throw new Error(errors.map(({ message }) => message).join(' '))
  if (data === null || data === undefined) throw new Error('The server answered nothing.')
  return data
}
