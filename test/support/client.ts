import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import { createClient as createSocketClient } from 'graphql-ws'

/** One entry of `errors`: what a caller goes by is in its extensions. */
export interface ResponseError {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions: {
    readonly type: string
    readonly code: string
    readonly status: number
    readonly issues?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[]
  }
}

export interface Result<Data> {
  /** Null or absent in what was refused. */
  readonly data: Data | null | undefined
  /** Empty where there are none. */
  readonly errors: readonly ResponseError[]
}

export interface Response<Data> extends Result<Data> {
  readonly status: number
  readonly headers: Headers
}

export interface SendOptions {
  readonly idempotencyKey?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** A stranger’s client of the public API, typed by the documents of schema/operations (test/generated). */
export interface Client {
  /** One query or mutation over HTTP. Throws only where no GraphQL answer came. */
  send<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options?: SendOptions,
  ): Promise<Response<Data>>
  /**
   * A subscription over WebSocket (graphql-transport-ws); all of one client share a socket. Begins with the first `next()`.
   * Throws the list of errors that refused it, or the close event of a socket that ended.
   */
  subscribe<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Result<Data>, void, void>
  /** The same as server-sent events; what refused it comes as one result with errors. Begins with the first `next()`. */
  sse<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options?: SendOptions,
  ): AsyncGenerator<Result<Data>, void, void>
  /** Ends its subscriptions and its socket. */
  close(): Promise<void>
}

/**
 * @param options url: where the server listens, without /graphql; key: an API key or user token, null for a caller without one
 */
export function createClient({ url, key }: { readonly url: string; readonly key: string | null }): Client {
  const endpoint = `${url}/graphql`
  const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  const sockets = createSocketClient({
    url: endpoint.replace(/^http/, 'ws'),
    connectionParams: authorization,
    retryAttempts: 0,
  })
  const ended = new AbortController()

  function post(document: TypedDocumentNode<unknown, never>, variables: unknown, accept: string, options: SendOptions) {
    const { idempotencyKey, headers, signal } = options
    return fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept,
        ...authorization,
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        ...headers,
      },
      body: JSON.stringify({ query: print(document), variables }),
      signal: AbortSignal.any([ended.signal, ...(signal ? [signal] : [])]),
    })
  }

  return {
    async send(document, variables, options = {}) {
      const answer = await post(document, variables, 'application/json', options)
      return { ...asResult(await answer.json()), status: answer.status, headers: answer.headers }
    },
    async *subscribe(document, variables) {
      const request = { query: print(document), variables: variables as Record<string, unknown> }
      for await (const result of sockets.iterate(request)) yield asResult(result)
    },
    async *sse(document, variables, options = {}) {
      const answer = await post(document, variables, 'text/event-stream', options)
      if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) {
        yield asResult(await answer.json())
        return
      }
      for await (const { event, data } of readStream(answer)) {
        if (event === 'complete') return
        if (event === 'next') yield asResult(JSON.parse(data))
      }
    },
    async close() {
      ended.abort()
      await sockets.dispose()
    },
  }
}

function asResult<Data>(answer: unknown): Result<Data> {
  const { data, errors = [] } = answer as { data?: Data | null; errors?: readonly ResponseError[] }
  return { data, errors }
}

/** The events of a stream as the HTML standard frames them; comments are left out. */
async function* readStream(answer: globalThis.Response): AsyncGenerator<{ event: string; data: string }> {
  let rest = ''
  for await (const text of answer.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = /^event: ?(.*)$/m.exec(block)?.[1]
      const data = [...block.matchAll(/^data: ?(.*)$/gm)].map(([, line]) => line).join('\n')
      if (event !== undefined) yield { event, data }
    }
  }
}
