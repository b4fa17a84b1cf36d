import type { GraphQLError, GraphQLFormattedError } from 'graphql'
import { type Issue, REFUSALS, Refusal, type RefusalCode } from '../errors.ts'

type Path = readonly (string | number)[]

const FAULT_MESSAGE = 'Something went wrong on our side.'

/**
 * An error as the caller may see it: the same over HTTP, WebSocket and SSE.
 * `extensions` always holds type, code, status, path (of the input at fault where one is known, otherwise of the field)
 * and issues, and retryAfterSeconds where time will help. A fault of ours keeps nothing but its path: no message, no stack,
 * no location.
 *
 * @param path the field it happened at, where the error itself does not say
 */
export function presentError(error: unknown, path?: Path): GraphQLFormattedError {
  const at = isGraphQLError(error) ? (error.path ?? path) : path
  const refusal = refusalIn(error)
  if (refusal) return presentRefusal(refusal, at)

  const code = callersFault(error, at)
  if (code === null) return present('INTERNAL', FAULT_MESSAGE, at)
  const { message, locations } = error as GraphQLError
  return { ...present(code, message, at), ...(locations && { locations }) }
}

/** Something the transport refuses with a status of HTTP that no field can have: 405, 406, 415, 431. */
export function presentTransportError(status: number, message: string): GraphQLFormattedError {
  return present('BAD_USER_INPUT', message, undefined, [], status)
}

/** A variable's value that does not fit its type, with the field named. */
export function presentVariableError(message: string, issue: Issue | undefined): GraphQLFormattedError {
  return present('BAD_USER_INPUT', message, undefined, issue ? [issue] : [])
}

/** Whether an error is ours to look into: neither refused by us nor by GraphQL itself. */
export function isFault(error: unknown): boolean {
  const at = isGraphQLError(error) ? error.path : undefined
  return refusalIn(error) === null && callersFault(error, at) === null
}

/** The HTTP status of what was refused before execution. */
export function statusOf(errors: readonly GraphQLFormattedError[]): number {
  return Number(errors[0]?.extensions?.status ?? 400)
}

/** The Retry-After header of what was refused before execution (RFC 9110, 10.2.3), where time will help. */
export function retryHeaderOf(errors: readonly GraphQLFormattedError[]): Readonly<Record<string, string>> {
  const seconds = errors[0]?.extensions?.retryAfterSeconds
  return seconds === undefined ? {} : { 'retry-after': String(seconds) }
}

function presentRefusal({ code, message, issues, status, retryAfterSeconds }: Refusal, at: Path | undefined) {
  const presented = present(code, message, at, issues, status)
  if (retryAfterSeconds === undefined) return presented
  return { ...presented, extensions: { ...presented.extensions, retryAfterSeconds } }
}

function present(
  code: RefusalCode,
  message: string,
  at: Path | undefined,
  issues: readonly Issue[] = [],
  status: number = REFUSALS[code].status,
): GraphQLFormattedError {
  const path = issues[0]?.path ?? at ?? []
  return { message, ...(at && { path: at }), extensions: { type: REFUSALS[code].type, code, status, path, issues } }
}

/** By name: a library may bring its own copy of GraphQL.js, whose class is another. */
function isGraphQLError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError'
}

/** Resolvers' errors arrive wrapped, scalars' twice. */
function refusalIn(error: unknown): Refusal | null {
  let inner: unknown = error
  while (isGraphQLError(inner)) inner = inner.originalError
  return inner instanceof Refusal ? inner : null
}

/**
 * The code of an error that GraphQL.js raised over what the caller wrote, or null. Before execution (no path) that is every
 * GraphQLError of its own. During execution most of them are about what we returned; only an argument is the caller's.
 */
function callersFault(error: unknown, at: Path | undefined): RefusalCode | null {
  if (!isGraphQLError(error)) return null
  const code = error.extensions.code
  if (typeof code === 'string' && code in REFUSALS) return code as RefusalCode
  if (at !== undefined) return error.message.startsWith('Argument "') ? 'BAD_USER_INPUT' : null
  return isOwnGraphQLError(error) ? 'BAD_USER_INPUT' : null
}

function isOwnGraphQLError(error: GraphQLError): boolean {
  let inner: unknown = error
  while (isGraphQLError(inner)) inner = inner.originalError
  return inner === undefined || inner === null
}
