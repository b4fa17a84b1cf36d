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
 * The smallest valid operation of a root field: required arguments with plausible values, and what is named beside, by its
 * path; the selection is every leaf of the answer, down to a depth.
 */
export function operationOf({ operation, name, field }: RootField, plausible: Plausible, also: readonly string[] = []) {
  const args = field.args.filter((arg) => isRequiredArgument(arg) || leadsTo(also, arg.name))
  const variables = Object.fromEntries(args.map((arg) => [arg.name, plausibleValue(arg, arg.name, plausible, also)]))
  const declared = args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ')
  const given = args.map((arg) => `${arg.name}: $${arg.name}`).join(', ')
  const call = `${name}${given && `(${given})`}${selectionOf(field.type, 3)}`
  return { source: `${operation}${declared && ` (${declared})`} { ${call} }`, variables }
}

/** A place in the arguments of a field that takes an id: `id`, `input.to.listId`. */
export interface IdPlace {
  readonly path: string
  /** The name of the argument or input field. */
  readonly name: string
}

/** Every place in a field's arguments that takes an id, or several; inputs that hold themselves are entered once. */
export function idPlaces(
  args: readonly (GraphQLArgument | GraphQLInputField)[],
  under = '',
  entered: readonly string[] = [],
): readonly IdPlace[] {
  return args.flatMap(({ name, type }) => {
    const path = under ? `${under}.${name}` : name
    const named = getNamedType(type)
    if (named.name === 'ID') return [{ path, name }]
    if (!isInputObjectType(named) || entered.includes(named.name)) return []
    return idPlaces(Object.values(named.getFields()), path, [...entered, named.name])
  })
}

const leadsTo = (paths: readonly string[], path: string) => paths.some((one) => one === path || one.startsWith(`${path}.`))

const WORDS: { readonly [name: string]: unknown } = {
  kind: 'inbox',
  expiresIn: 'PT1H',
  all: true,
  url: 'https://example.com/',
  enabled: false,
}

/** By type, where the smallest value, or the last of an enum, would be refused. */
const VALUES: { readonly [type: string]: unknown } = {
  PreferenceStatus: 'OPTED_IN',
  AudienceFilter: { operator: 'EXISTS', path: 'email' },
  JsonPatchInput: { op: 'add', path: '/x', value: 1 },
}

function plausibleValue(
  { name, type }: GraphQLArgument | GraphQLInputField,
  path: string,
  plausible: Plausible,
  also: readonly string[],
): unknown {
  const given = plausible(path)
  if (given !== undefined) return given
  return WORDS[name] ?? valueOfType(type, path, plausible, also)
}

/** What a valid input of a type holds beside its required fields. */
const EXTRA: { readonly [type: string]: readonly string[] } = {
  SendInput: ['content'],
  ContentInput: ['title'],
  MessageEventFilter: ['all'],
  IssueTokenInput: ['userId'],
  // Nobody is to be called.
  WebhookEndpointInput: ['enabled'],
}

/** A recipient is of one kind, and a send has a content or a template. */
function extraOf(type: string, path: string, also: readonly string[]): readonly string[] {
  if (type === 'SendInput' && leadsTo(also, `${path}.template`)) return []
  if (type !== 'RecipientInput') return EXTRA[type] ?? []
  return ['listId', 'audienceId', 'tenant'].some((kind) => leadsTo(also, `${path}.${kind}`)) ? [] : ['userId']
}

function valueOfType(type: GraphQLInputType, path: string, plausible: Plausible, also: readonly string[]): unknown {
  if (isNonNullType(type)) return valueOfType(type.ofType, path, plausible, also)
  if (isListType(type)) return [valueOfType(type.ofType, path, plausible, also)]
  if (VALUES[type.name] !== undefined) return VALUES[type.name]
  if (isEnumType(type)) return type.getValues().at(-1)!.name
  if (!isInputObjectType(type))
    return (
      plausible(path) ??
      { ID: 'some-id', String: 'text', Int: 1, Boolean: true, DateTime: '2030-01-01T00:00:00Z' }[type.name] ??
      {}
    )
  const extra = extraOf(type.name, path, also)
  const fields = Object.values(type.getFields()).filter(
    (field) => isRequiredInputField(field) || extra.includes(field.name) || leadsTo(also, `${path}.${field.name}`),
  )
  return Object.fromEntries(fields.map((field) => [field.name, plausibleValue(field, `${path}.${field.name}`, plausible, also)]))
}

export function selectionOf(type: GraphQLOutputType, depth: number): string {
  const named = getNamedType(type)
  if (!isObjectType(named)) return ''
  const parts = Object.values(named.getFields()).flatMap((field) => {
    if (field.args.some(isRequiredArgument)) return []
    if (isLeafType(getNamedType(field.type))) return [field.name]
    return depth > 1 ? [`${field.name}${selectionOf(field.type, depth - 1)}`] : []
  })
  return ` { ${parts.length > 0 ? parts.join(' ') : '__typename'} }`
}
