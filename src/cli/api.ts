import { createClient } from 'graphql-ws'

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
  /** When it is worth another try; null where the server does not say. */
  readonly retryAfterSeconds: number | null

  constructor(message: string, status: number, error: RefusedError | null = null, options?: ErrorOptions) {
    super(message, options)
    this.code = error?.extensions?.code ?? null
    this.status = error?.extensions?.status ?? status
    this.issues = error?.extensions?.issues ?? []
    this.retryAfterSeconds = error?.extensions?.retryAfterSeconds ?? null
  }
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
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      const answer = await answerOf<Data>(response)
      signal.throwIfAborted()
      return dataOf(answer, response.status)
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
  try {
    return (await response.json()) as Answer<Data>
  } catch (cause) {
    const { origin } = new URL(response.url)
    const status = response.ok ? 0 : response.status
    throw new CallError(`${origin} did not answer in its form, with the status ${response.status}.`, status, null, { cause })
  }
}

async function* unwrap<Data>(results: AsyncIterable<Answer<Data>>): AsyncGenerator<Data, void, void> {
  for await (const result of results) yield dataOf(result)
}

function dataOf<Data>({ data, errors }: Answer<Data>, status = 0): Data {
  if (errors && errors.length > 0) throw new CallError(errors.map(({ message }) => message).join(' '), status, gathered(errors))
  if (data === null || data === undefined) throw new CallError('The server answered nothing.', status)
  return data
}

/** The first error, with the issues of all. */
function gathered(errors: readonly RefusedError[]): RefusedError {
  const issues = errors.flatMap(({ extensions }) => extensions?.issues ?? [])
  return { ...errors[0]!, extensions: { ...errors[0]!.extensions, issues } }
}
