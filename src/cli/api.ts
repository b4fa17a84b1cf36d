import { createClient } from 'graphql-ws'
import { readRetryAfter } from '../channels/answer.ts'

/** The public API as any caller has it. */
export interface Api {
  /** Where the server listens, without a slash at the end. */
  readonly url: string
  /** A query or mutation. Throws a CallError with the server's own words where it refuses. */
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

/** A call that came to nothing: refused, or not answered. */
export class CallError extends Error {
  /** In `extensions.code`; null where no server of ours answered. */
  readonly code: string | null
  /** In `extensions.status`, otherwise of HTTP; 0 where nothing was answered. */
  readonly status: number
  /** Where the input is at fault, from the argument's name on: `['users', 3, 'to', 'email']`. */
  readonly issues: readonly Issue[]
  /** When it is worth another try, by the server or what stands before it; null where neither says. */
  readonly retryAfterSeconds: number | null

  constructor(message: string, status: number, error: RefusedError | null = null, options: CallErrorOptions = {}) {
    super(message, options)
    this.code = error?.extensions?.code ?? null
    this.status = error?.extensions?.status ?? status
    this.issues = error?.extensions?.issues ?? []
    this.retryAfterSeconds = error?.extensions?.retryAfterSeconds ?? options.retryAfterSeconds ?? null
  }
}

interface CallErrorOptions extends ErrorOptions {
  /** Of the header. */
  readonly retryAfterSeconds?: number
}

interface Issue {
  readonly path: readonly (string | number)[]
  readonly message: string
}

interface RefusedError {
  readonly message: string
  readonly extensions?: {
    readonly code?: string
    readonly status?: number
    readonly issues?: readonly Issue[]
    readonly retryAfterSeconds?: number
  }
}

interface Answer<Data> {
  readonly data?: Data | null
  readonly errors?: readonly RefusedError[]
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
        // Followed, a POST may come to its end as a GET.
        redirect: 'manual',
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      const answer = await answerOf<Data>(response)
      signal.throwIfAborted()
      return dataOf(answer, response.status, restOf(response))
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
    throw new CallError(`${new URL(url).origin} does not answer: ${words}.`, 0, null, { cause: error })
  })
}

/** What stands before a server may answer for it, in a form of its own. */
async function answerOf<Data>(response: Response): Promise<Answer<Data>> {
  const { origin } = new URL(response.url)
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel()
    const words = `${origin} says that the server is ${placeIn(response)}: set CARILLON_PUBLIC_URL to where it is.`
    throw new CallError(words, response.status)
  }
  try {
    return ((await response.json()) ?? {}) as Answer<Data>
  } catch (cause) {
    const status = response.ok ? 0 : response.status
    const words = `${origin} did not answer in its form, with the status ${response.status}.`
    throw new CallError(words, status, null, { cause, ...restOf(response) })
  }
}

/** Where a redirection leads to, as CARILLON_PUBLIC_URL would name it. */
function placeIn({ headers, url }: Response): string {
  const location = headers.get('location')
  const place = location === null ? null : URL.parse(location, url)
  return place === null ? 'elsewhere' : `at ${place.href.replace(/\/graphql\/?$/, '')}`
}

/** How long it asks to be left alone, in its header. */
function restOf({ headers }: Response): CallErrorOptions {
  const restMs = readRetryAfter(headers.get('retry-after') ?? undefined, new Date())
  return restMs === undefined ? {} : { retryAfterSeconds: restMs / 1000 }
}

async function* unwrap<Data>(results: AsyncIterable<Answer<Data>>): AsyncGenerator<Data, void, void> {
  for await (const result of results) yield dataOf(result)
}

function dataOf<Data>({ data, errors }: Answer<Data>, status = 0, rest: CallErrorOptions = {}): Data {
  if (errors && errors.length > 0) {
    throw new CallError(errors.map(({ message }) => message).join(' '), status, gathered(errors), rest)
  }
  if (data === null || data === undefined) throw new CallError('The server answered nothing.', status, null, rest)
  return data
}

/** The first error, with the issues of all. */
function gathered(errors: readonly RefusedError[]): RefusedError {
  const issues = errors.flatMap(({ extensions }) => extensions?.issues ?? [])
  return { ...errors[0]!, extensions: { ...errors[0]!.extensions, issues } }
}
