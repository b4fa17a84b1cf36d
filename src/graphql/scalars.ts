import { GraphQLScalarType, Kind, type ValueNode } from 'graphql'
import { GraphQLDateTimeISO, GraphQLISO8601Duration } from 'graphql-scalars'
import { isObject } from '../domain/json.ts'
import { badInput } from '../errors.ts'

/** ISO 8601 instants: out in UTC with milliseconds, in with any offset. */
export const DateTime = new GraphQLScalarType({
  ...saying(GraphQLDateTimeISO, 'An instant is expected here, ISO 8601 with its offset, like 2026-06-01T09:00:00Z.'),
  name: 'DateTime',
  description: 'An instant, ISO 8601: given out in UTC with milliseconds, taken with any offset.',
  extensions: {},
})

export const Duration = new GraphQLScalarType({
  ...saying(GraphQLISO8601Duration, 'An ISO 8601 duration is expected here, like PT15M or P1D.'),
  name: 'Duration',
  description: 'An ISO 8601 duration: "PT15M" is fifteen minutes.',
  extensions: {},
})

/** A scalar's own configuration, with our words where a value is none of its. */
function saying(scalar: GraphQLScalarType, message: string): ReturnType<GraphQLScalarType['toConfig']> {
  const config = scalar.toConfig()
  const inWords = <T>(read: () => T): T => {
    try {
      return read()
    } catch {
      throw badInput([], message)
    }
  }
  return {
    ...config,
    parseValue: (value) => inWords(() => config.parseValue(value)),
    parseLiteral: (node, variables) => inWords(() => config.parseLiteral(node, variables)),
  }
}

export const TimeZone = new GraphQLScalarType({
  name: 'TimeZone',
  description: 'A time zone: a name of the IANA database, like Europe/Brussels, or UTC+n and UTC-n.',
  serialize: (value) => value,
  parseValue: textOnly,
  parseLiteral: (node) => textOnly(node.kind === Kind.STRING ? node.value : null),
})

/** Whether there is such a time zone is asked where it is used: of many recipients, one with none is refused alone. */
function textOnly(value: unknown): unknown {
  if (typeof value === 'string') return value
  throw badInput([], 'A time zone is expected here, like Europe/Brussels or UTC+2.')
}

export const Json = new GraphQLScalarType({
  name: 'JSON',
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => literal(node, variables ?? {}),
})

export const JsonObject = new GraphQLScalarType({
  name: 'JSONObject',
  description: 'A JSON object.',
  serialize: (value) => value,
  parseValue: (value) => objectOnly(value, 'A JSON object is expected here.'),
  parseLiteral: (node, variables) => objectOnly(literal(node, variables ?? {}), 'A JSON object is expected here.'),
})

const ELEMENT = "An element is expected here: an object with a type, like { type: 'text', content: 'Hello' }."

export const ContentElement = new GraphQLScalarType({
  name: 'ContentElement',
  description: 'One element of a content: an object with a type, and what that type may say.',
  serialize: (value) => value,
  parseValue: (value) => objectOnly(value, ELEMENT),
  parseLiteral: (node, variables) => objectOnly(literal(node, variables ?? {}), ELEMENT),
})

function objectOnly(value: unknown, otherwise: string): unknown {
  if (isObject(value)) return value
  throw badInput([], otherwise)
}

/** A number that is not kept exactly is still known by what it became: `guardRoots` refuses it, as it does in variables. */
function literal(node: ValueNode, variables: Readonly<Record<string, unknown>>): unknown {
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value)
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value
    case Kind.NULL:
      return null
    case Kind.VARIABLE:
      return variables[node.name.value]
    case Kind.LIST:
      return node.values.map((item) => literal(item, variables))
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literal(field.value, variables)]))
  }
}
