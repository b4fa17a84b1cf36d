import { costLimitRule } from '@escape.tech/graphql-armor-cost-limit'
import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth'
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives'
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  specifiedRules,
  type ValidationContext,
  type ValidationRule,
  validate,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { Refusal } from '../errors.ts'
import type { Limits } from './limits.ts'

/** What reading a document came to: refused with errors, or fit to be executed any number of times. */
export interface ReadResult {
  readonly source: string
  /** Null when it could not even be parsed. */
  readonly document: DocumentNode | null
  readonly errors: readonly GraphQLError[]
}

/** A document was refused, by GraphQL's rules or our limits. */
export class DocumentRefusal extends Error {
  readonly errors: readonly GraphQLError[]

  constructor(errors: readonly GraphQLError[]) {
    super('The document was refused.')
    this.name = 'DocumentRefusal'
    this.errors = errors
  }
}

export type ReadDocument = (source: string) => ReadResult

type DocumentLimits = Pick<Limits, 'tokens' | 'depth' | 'aliases' | 'mutationAliases' | 'directives' | 'cost' | 'errors'>

const CACHED_DOCUMENTS = 1_000
const CACHED_CHARACTERS = 8 * 1024 * 1024

/**
 * Parses and validates documents, GraphQL's rules and our limits alike, and remembers those that are fit: callers send the
 * same few. An error of a limit has the code TOO_COMPLEX.
 */
export function documentReader(schema: GraphQLSchema, limits: DocumentLimits): ReadDocument {
  const rules = [...specifiedRules, ...limitRules(limits)]
  const options = { maxErrors: limits.errors, hideSuggestions: true }
  const fit = new LRUCache<string, ReadResult>({
    max: CACHED_DOCUMENTS,
    maxSize: CACHED_CHARACTERS,
    sizeCalculation: ({ source }) => source.length + 1,
  })

  return (source) => {
    const known = fit.get(source)
    if (known) return known
    const parsed = parseWithin(source, limits.tokens)
    if (parsed instanceof GraphQLError) return { source, document: null, errors: [parsed] }
    const errors = validate(schema, parsed, rules, options).slice(0, limits.errors)
    const read: ReadResult = { source, document: parsed, errors }
    if (errors.length === 0) fit.set(source, read)
    return read
  }
}

/** The operation a document is asked for; refuses when there is none, or several and no name. */
export function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode {
  const operation = getOperationAST(document, name)
  if (operation) return operation
  const message = name
    ? `Unknown operation named "${name}".`
    : 'Must provide operation name if query contains multiple operations.'
  throw new Refusal('BAD_USER_INPUT', message)
}

/** How many fields of the root an operation asks for, fragments followed; `__typename` does nothing and does not count. */
export function rootFieldCount(document: DocumentNode, operation: OperationDefinitionNode): number {
  return rootFields(document, operation).filter(({ name }) => name.value !== '__typename').length
}

/**
 * The fields of the root an operation asks for, in order, those of its fragments among them.
 *
 * @param isIncluded what its directives say of a selection; absent: all are
 */
export function rootFields(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  isIncluded: (selection: SelectionNode) => boolean = () => true,
): readonly FieldNode[] {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node)
  }
  const entered = new Set<string>()
  const fieldsOf = ({ selections }: SelectionSetNode): readonly FieldNode[] =>
    selections.filter(isIncluded).flatMap((node) => {
      if (node.kind === Kind.FIELD) return [node]
      if (node.kind === Kind.INLINE_FRAGMENT) return fieldsOf(node.selectionSet)
      if (entered.has(node.name.value)) return []
      entered.add(node.name.value)
      const fragment = fragments.get(node.name.value)
      return fragment ? fieldsOf(fragment.selectionSet) : []
    })
  return fieldsOf(operation.selectionSet)
}

function parseWithin(source: string, maxTokens: number): DocumentNode | GraphQLError {
  try {
    return parse(source, { maxTokens })
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    if (!error.message.includes(`more that ${maxTokens} tokens`)) return error
    return tooComplex(`The document has more than ${maxTokens} tokens.`)
  }
}

function limitRules(limits: DocumentLimits): ValidationRule[] {
  const aliases = maxAliasesRule({ n: limits.aliases, ...reporting })
  const mutationAliases = maxAliasesRule({ n: limits.mutationAliases, ...reporting })
  return [
    asRule(maxDepthRule({ n: limits.depth, flattenFragments: true, ...reporting })),
    asRule(maxDirectivesRule({ n: limits.directives, ...reporting })),
    asRule(costLimitRule({ maxCost: limits.cost, flattenFragments: true, ...reporting })),
    (context) => ({
      OperationDefinition: (node) =>
        asRule(node.operation === 'mutation' ? mutationAliases : aliases)(context).OperationDefinition?.enter?.(node),
    }),
  ]
}

/** Armor's rules throw, which ends validation as if the server had failed; this makes them report like any other rule. */
const reporting = {
  propagateOnRejection: false,
  onReject: [
    (context: ValidationContext | null, error: GraphQLError) =>
      context?.reportError(tooComplex(error.message.replace('Syntax Error: ', ''))),
  ],
}

interface OperationVisitor {
  OperationDefinition?: { enter?: (node: OperationDefinitionNode) => void }
}

/** Armor types its rules by the class it builds; what it builds is a visitor of operations. */
function asRule(rule: (context: ValidationContext) => unknown): (context: ValidationContext) => OperationVisitor {
  return (context) => {
    const visitor = rule(context) as { OperationDefinition: { enter: (node: OperationDefinitionNode) => void } }
    return { OperationDefinition: { enter: visitor.OperationDefinition.enter.bind(visitor) } }
  }
}

function tooComplex(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'TOO_COMPLEX' } })
}
