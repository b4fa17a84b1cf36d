import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLOutputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql'
import { schema } from '../../src/graphql/schema.ts'

export interface RootField {
  readonly operation: 'query' | 'mutation' | 'subscription'
  readonly name: string
  readonly field: GraphQLField<unknown, unknown>
}

/** Every field of the roots. */
export function rootFields(): readonly RootField[] {
  const roots = [
    ['query', schema.getQueryType()],
    ['mutation', schema.getMutationType()],
    ['subscription', schema.getSubscriptionType()],
  ] as const
  return roots.flatMap(([operation, type]) =>
    Object.values(type?.getFields() ?? {}).map((field) => ({ operation, name: field.name, field })),
  )
}

/** What is put in the place of an argument, by its name and where it stands: `id`, `input.userId`. */
export type Plausible = (path: string) => unknown

/**
 * The smallest valid operation of a root field: required arguments with plausible values, and those named beside; the
 * selection is every leaf of the answer, down to a depth.
 */
export function operationOf({ operation, name, field }: RootField, plausible: Plausible, also: readonly string[] = []) {
  const args = field.args.filter((arg) => isRequiredArgument(arg) || also.includes(arg.name))
  const variables = Object.fromEntries(args.map((arg) => [arg.name, plausibleValue(arg, arg.name, plausible)]))
  const declared = args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ')
  const given = args.map((arg) => `${arg.name}: $${arg.name}`).join(', ')
  const call = `${name}${given && `(${given})`}${selectionOf(field.type, 3)}`
  return { source: `${operation}${declared && ` (${declared})`} { ${call} }`, variables }
}

const WORDS: { readonly [name: string]: unknown } = { kind: 'inbox', expiresIn: 'PT1H', all: true, url: 'https://example.com/' }

function plausibleValue({ name, type }: GraphQLArgument | GraphQLInputField, path: string, plausible: Plausible): unknown {
  return plausible(path) ?? WORDS[name] ?? valueOfType(type, path, plausible)
}

function valueOfType(type: GraphQLInputType, path: string, plausible: Plausible): unknown {
  if (isNonNullType(type)) return valueOfType(type.ofType, path, plausible)
  if (isListType(type)) return [valueOfType(type.ofType, path, plausible)]
  if (isEnumType(type)) return type.getValues().at(-1)!.name
  if (!isInputObjectType(type))
    return { ID: 'some-id', String: 'text', Int: 1, Boolean: true, DateTime: '2030-01-01T00:00:00Z' }[type.name] ?? {}
  const extra =
    {
      RecipientInput: ['userId'],
      SendInput: ['content'],
      ContentInput: ['title'],
      MessageEventFilter: ['all'],
      IssueTokenInput: ['userId'],
    }[type.name] ?? []
  const fields = Object.values(type.getFields()).filter((field) => isRequiredInputField(field) || extra.includes(field.name))
  return Object.fromEntries(fields.map((field) => [field.name, plausibleValue(field, `${path}.${field.name}`, plausible)]))
}

function selectionOf(type: GraphQLOutputType, depth: number): string {
  const named = getNamedType(type)
  if (!isObjectType(named)) return ''
  const parts = Object.values(named.getFields()).flatMap((field) => {
    if (field.args.some(isRequiredArgument)) return []
    if (isLeafType(getNamedType(field.type))) return [field.name]
    return depth > 1 ? [`${field.name}${selectionOf(field.type, depth - 1)}`] : []
  })
  return ` { ${parts.length > 0 ? parts.join(' ') : '__typename'} }`
}
