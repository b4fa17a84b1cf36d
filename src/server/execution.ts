import {
  coerceInputValue,
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  isInputType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql'
import type { Logger } from 'pino'
import type { Actor } from '../domain/actor.ts'
import { type Issue, Refusal } from '../errors.ts'
import { type Deliveries, deliveriesOf } from './deliveries.ts'
import { isFault, presentError, presentVariableError } from './errors.ts'
import type { Limits } from './limits.ts'
import { type RowCount, rowCountOf } from './rows.ts'
import { createSharing, type Sharing } from './sharing.ts'

/** One operation of one caller, read, validated and authenticated. */
export interface Operation {
  readonly source: string
  readonly document: DocumentNode
  readonly node: OperationDefinitionNode
  readonly operationName: string | null
  readonly variables: Readonly<Record<string, unknown>>
  readonly actor: Actor
  readonly idempotencyKey: string | null
  /** Aborted when the caller has gone or no longer wants it. */
  readonly signal: AbortSignal
}

/** A finished result, its errors already as the caller may see them. Without `data` it was refused before execution. */
export interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null
  readonly errors?: readonly GraphQLFormattedError[]
}

/** A subscription was refused: what it would have yielded from does not exist. */
export class SubscriptionRefused extends Error {
  readonly errors: readonly GraphQLFormattedError[]

  constructor(errors: readonly GraphQLFormattedError[]) {
    super('The subscription was refused.')
    this.name = 'SubscriptionRefused'
    this.errors = errors
  }
}

export interface Execution {
  answer(operation: Operation): Promise<Answer>
  /** Throws SubscriptionRefused. Every delivery is pulled: an event is not asked for before the one before it was taken. */
  subscribe(operation: Operation): Promise<Deliveries>
  /** What the caller may see of errors, faults being logged with their cause. */
  present(errors: readonly unknown[]): readonly GraphQLFormattedError[]
}

export type ContextFor = (input: { actor: Actor | null; idempotencyKey: string | null; signal: AbortSignal }) => object

export interface ExecutionOptions {
  readonly schema: GraphQLSchema
  readonly contextFor: ContextFor
  readonly limits: Pick<Limits, 'errors' | 'pageSize' | 'rows' | 'queryMs'>
  readonly log: Logger
}

/** Executes operations for every transport: one way to make a context, one shape of errors, one execution for many subscribers. */
export function createExecution(options: ExecutionOptions): Execution {
  const { schema, contextFor, limits, log } = options
  const sharing: Sharing = createSharing()
  const rowCounts = new WeakMap<OperationDefinitionNode, RowCount>()
  const coercion = { maxCoercionErrors: limits.errors }
  // An event's answer may belong to many: it must not die with the one it was begun for.
  const everybodys = new AbortController().signal

  const argsOf = (operation: Operation, signal: AbortSignal, event?: unknown): ExecutionArgs => ({
    schema,
    document: operation.document,
    operationName: operation.operationName,
    variableValues: operation.variables,
    rootValue: event,
    contextValue: contextFor({ actor: operation.actor, idempotencyKey: operation.idempotencyKey, signal }),
    hideSuggestions: true,
    options: coercion,
  })

  const present = (errors: readonly unknown[]): readonly GraphQLFormattedError[] => {
    for (const error of errors) if (isFault(error)) log.error({ err: causeOf(error) }, 'a request failed on our side')
    return errors.slice(0, limits.errors).map((error) => presentError(error))
  }

  const presentResult = (result: ExecutionResult, operation: Operation): Answer => {
    if (!result.errors) return result
    if (result.data !== undefined) return { data: result.data, errors: present(result.errors) }
    return { errors: presentRefused(result.errors, operation) }
  }

  const presentRefused = (errors: readonly GraphQLError[], operation: Operation): readonly GraphQLFormattedError[] => {
    const issues = variableIssues(schema, operation.node, operation.variables)
    if (issues.length === 0) return present(errors)
    return errors.slice(0, limits.errors).map((error, index) => presentVariableError(error.message, issues[index]))
  }

  const answer = async (operation: Operation, signal: AbortSignal, event?: unknown): Promise<Answer> => {
    try {
      return presentResult(await execute(argsOf(operation, signal, event)), operation)
    } catch (error) {
      return { errors: present([error]) }
    }
  }

  /** Before anything is executed; a subscription's events ask for no more rows than it does. */
  const refuseTooManyRows = ({ document, node, variables }: Operation): void => {
    let count = rowCounts.get(node)
    if (count === undefined) {
      count = rowCountOf(schema, document, node, limits)
      rowCounts.set(node, count)
    }
    const rows = count(variables)
    if (rows <= limits.rows) return
    throw new Refusal('TOO_COMPLEX', `The pages asked for have up to ${rows} rows; an operation may bring ${limits.rows}.`)
  }

  const answerAllowed = async (operation: Operation): Promise<Answer> => {
    try {
      refuseTooManyRows(operation)
    } catch (error) {
      return { errors: present([error]) }
    }
    return operation.node.operation === 'query' ? answerInTime(operation) : answer(operation, operation.signal)
  }

  /** What is given up is told so by its signal; what it has asked the database is answered to nobody. */
  const answerInTime = async (operation: Operation): Promise<Answer> => {
    const late = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const givenUp = new Promise<Answer>((resolve) => {
      timer = setTimeout(() => {
        late.abort()
        const message = `The query took longer than ${limits.queryMs / 1_000} s: ask for less, or later.`
        resolve({ errors: present([new Refusal('UNAVAILABLE', message)]) })
      }, limits.queryMs)
    })
    const answered = answer(operation, AbortSignal.any([operation.signal, late.signal]))
    return Promise.race([answered, givenUp]).finally(() => clearTimeout(timer))
  }

  const subscribe = async (operation: Operation): Promise<Deliveries> => {
    const source = await sourceOf(operation)
    const member = sharing.join(operation)
    return deliveriesOf(source, {
      signal: operation.signal,
      deliver: (event) => member.deliver(event, () => answer(operation, everybodys, event)),
      left: member.leave,
    })
  }

  const sourceOf = async (operation: Operation): Promise<AsyncIterable<unknown>> => {
    let source: AsyncIterable<unknown> | ExecutionResult
    try {
      refuseTooManyRows(operation)
      source = await createSourceEventStream(argsOf(operation, operation.signal))
    } catch (error) {
      throw new SubscriptionRefused(present([error]))
    }
    if (Symbol.asyncIterator in source) return source
    throw new SubscriptionRefused(presentRefused(source.errors ?? [], operation))
  }

  return { answer: answerAllowed, subscribe, present }
}

/** Where each value that does not fit its variable's type lies, in the order in which GraphQL.js complains. */
function variableIssues(schema: GraphQLSchema, node: OperationDefinitionNode, variables: Operation['variables']): Issue[] {
  const issues: Issue[] = []
  for (const definition of node.variableDefinitions ?? []) {
    const name = definition.variable.name.value
    const type = typeFromAST(schema, definition.type)
    const required = definition.type.kind === 'NonNullType'
    if (!isInputType(type)) continue
    if (!Object.hasOwn(variables, name)) {
      if (required && !definition.defaultValue) issues.push({ path: [name], message: 'A value is required.' })
    } else if (variables[name] === null && required) {
      issues.push({ path: [name], message: 'It must not be null.' })
    } else {
      coerceInputValue(variables[name], type, (path, _value, error) =>
        issues.push({ path: [name, ...path], message: withoutSuggestion(error.message) }),
      )
    }
  }
  return issues
}

function withoutSuggestion(message: string): string {
  return message.replace(/ Did you mean .*$/s, '')
}

function causeOf(error: unknown): unknown {
  const original = (error as Partial<GraphQLError>).originalError
  return original ? causeOf(original) : error
}
