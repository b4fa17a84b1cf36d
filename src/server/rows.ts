import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'
import type { Limits } from './limits.ts'

/** How many rows an operation may bring at most, by the values of its variables. */
export type RowCount = (variables: Readonly<Record<string, unknown>>) => number

const NONE: RowCount = () => 0
/** The argument that gives a list's page size. */
const PAGE_SIZE = 'first'

/**
 * Reads once how an operation's lists lie within each other; counting is then cheap. A page of 100 whose rows have pages of
 * 100 each are 10,100 rows. A size beyond a page's own limit counts as that limit: its resolver refuses it in clearer words.
 *
 * @param operation of a document that was found valid
 */
export function rowCountOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  { pageSize }: Pick<Limits, 'pageSize'>,
): RowCount {
  const fragments = fragmentsOf(document)
  const entered = new Map<string, RowCount>()

  const ofSet = (set: SelectionSetNode, type: GraphQLNamedType | undefined): RowCount => {
    const parts: RowCount[] = []
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) parts.push(ofField(node, fieldOf(type, node)))
      else if (node.kind === Kind.FRAGMENT_SPREAD) parts.push(ofFragment(node.name.value))
      else parts.push(ofSet(node.selectionSet, node.typeCondition ? schema.getType(node.typeCondition.name.value) : type))
    }
    return sum(parts.filter((part) => part !== NONE))
  }

  const ofFragment = (name: string): RowCount => {
    const known = entered.get(name)
    if (known) return known
    const { typeCondition, selectionSet } = fragments.get(name)!
    const count = ofSet(selectionSet, schema.getType(typeCondition.name.value))
    entered.set(name, count)
    return count
  }

  const ofField = (node: FieldNode, field: GraphQLField<unknown, unknown> | undefined): RowCount => {
    if (!field || !node.selectionSet) return NONE
    const below = ofSet(node.selectionSet, getNamedType(field.type))
    const size = sizeOf(node, field)
    return size === null ? below : (variables) => Math.min(Math.max(size(variables), 0), pageSize) * (1 + below(variables))
  }

  const count = ofSet(operation.selectionSet, schema.getRootType(operation.operation) ?? undefined)
  const defaults = defaultsOf(operation)
  return count === NONE ? NONE : (variables) => count({ ...defaults, ...variables })
}

/** Of the variables that are page sizes, and other whole numbers. */
function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Readonly<Record<string, number>> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue?.kind === Kind.INT ? [[variable.name.value, Number(defaultValue.value)]] : [],
    ),
  )
}

function fragmentsOf(document: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  return new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  )
}

function fieldOf(type: GraphQLNamedType | undefined, { name }: FieldNode): GraphQLField<unknown, unknown> | undefined {
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined
}

function sum(parts: readonly RowCount[]): RowCount {
  const [only, ...others] = parts
  if (only === undefined) return NONE
  if (others.length === 0) return only
  return (variables) => parts.reduce((total, part) => total + part(variables), 0)
}

/** The page size of a list, null for what is none. A value that is no number is refused where it is coerced. */
function sizeOf(node: FieldNode, field: GraphQLField<unknown, unknown>): RowCount | null {
  const argument = field.args.find(({ name }) => name === PAGE_SIZE)
  if (!argument) return null
  const usual = numberIn(argument.defaultValue) ?? 0
  const given = node.arguments?.find(({ name }) => name.value === PAGE_SIZE)?.value
  if (given?.kind === Kind.INT) return () => Number(given.value)
  if (given?.kind !== Kind.VARIABLE) return () => usual
  const name = given.name.value
  return (variables) => numberIn(variables[name]) ?? usual
}

function numberIn(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
