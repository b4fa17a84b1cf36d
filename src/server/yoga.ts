import type { IncomingMessage, ServerResponse } from 'node:http'
import { createYoga, type Plugin } from 'graphql-yoga'
import { type Accepted, JSON_TYPE } from './answer.ts'
import { retryHeaderOf, statusOf } from './errors.ts'
import type { Answer, Execution, Operation } from './execution.ts'

/** A query or mutation that was let in: what Yoga is to answer, and how. */
export interface Admitted {
  readonly operation: Operation
  readonly accepted: Accepted
}

export type YogaHandler = (request: IncomingMessage, response: ServerResponse, admitted: Admitted) => Promise<void>

interface YogaContext extends Record<string, unknown> {
  admitted: Admitted
}

/**
 * GraphQL Yoga as our server has it: bodies are read and documents checked before it is asked, so that nothing is done
 * twice and the same checks hold on a WebSocket; it has the operation executed and writes the result.
 */
export function createYogaHandler(execution: Execution): YogaHandler {
  const yoga = createYoga<YogaContext>({
    plugins: [answering(execution)],
    batching: false,
    cors: false,
    graphiql: false,
    landingPage: false,
    logging: false,
    maskedErrors: false,
    maxRequestBodySize: false,
    multipart: false,
    parserAndValidationCache: false,
  })
  return async (request, response, admitted) => {
    await yoga(request, response, { admitted })
  }
}

function answering(execution: Execution): Plugin<YogaContext> {
  return {
    onRequestParse({ setRequestParser, serverContext }) {
      const { source } = admittedOf(serverContext).operation
      setRequestParser(() => ({ query: source }))
    },
    onParams({ setParamsHandler }) {
      setParamsHandler(({ context }) => execution.answer(admittedOf(context).operation) as never)
    },
    onResultProcess({ result, serverContext, setResultProcessor }) {
      const { accepted } = admittedOf(serverContext)
      const type = accepted.json ?? JSON_TYPE
      const status = httpStatus(result as Answer, accepted)
      setResultProcessor((answer, { Response }) => jsonResponse(answer as Answer, status, type, Response), type)
    },
  }
}

function admittedOf(context: unknown): Admitted {
  return (context as YogaContext).admitted
}

/** Once there is data the status is 200 and errors say the rest; without it, the first error's. */
function httpStatus(answer: Answer, { legacy }: Accepted): number {
  if ('data' in answer) return 200
  const errors = answer.errors ?? []
  const badInput = errors.every(({ extensions }) => extensions?.code === 'BAD_USER_INPUT')
  return legacy && badInput ? 200 : statusOf(errors)
}

function jsonResponse(answer: Answer, status: number, type: string, Response: typeof globalThis.Response): Response {
  const retry = 'data' in answer ? {} : retryHeaderOf(answer.errors ?? [])
  return new Response(JSON.stringify(answer), { status, headers: { 'content-type': `${type}; charset=utf-8`, ...retry } })
}
