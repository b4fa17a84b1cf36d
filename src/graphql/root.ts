import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import { cleanJson } from '../domain/json.ts'
import type { Context } from './context.ts'

/** How a root field's arguments are cleaned: what it gives on is what `cleanJson` leaves of them, or words of ours. */
type Clean = (args: Record<string, unknown>, maxEntries: number) => Record<string, unknown>

/**
 * What holds for every argument of every root field: what could not be stored or compared with is refused, and so are lists
 * over the limit. A field whose arguments are not refused as one has a {@link Clean} of its own in its extensions, as `clean`.
 * Where an answer holds logCursor, nothing of it is read before the cursor was.
 */
export function guardRoots(schema: GraphQLSchema): GraphQLSchema {
  for (const field of fieldsOf(schema.getQueryType())) {
    const resolve = field.resolve!
    const clean = cleanOf(field)
    field.resolve = async (root, args, context: Context, info) => {
      if (asksForCursor(info.operation.selectionSet, info)) await context.logHead()
      return resolve(root, clean(args, context), context, info)
    }
  }
  for (const field of fieldsOf(schema.getMutationType())) {
    const resolve = field.resolve!
    const clean = cleanOf(field)
    field.resolve = async (root, args, context: Context, info) => resolve(root, clean(args, context), context, info)
  }
  for (const field of fieldsOf(schema.getSubscriptionType())) {
    const subscribe = field.subscribe!
    const clean = cleanOf(field)
    field.subscribe = async (root, args, context: Context, info) => subscribe(root, clean(args, context), context, info)
  }
  return schema
}

function cleanOf({ extensions }: GraphQLField<unknown, Context>) {
  const clean = (extensions.clean as Clean | undefined) ?? cleanJson
  return (args: Record<string, unknown>, { graph }: Context) => clean(args, graph.maxListEntries)
}

function fieldsOf(type: GraphQLObjectType | null | undefined) {
  return Object.values(type?.getFields() ?? {})
}

function asksForCursor(set: SelectionSetNode, info: GraphQLResolveInfo): boolean {
  return set.selections.some((node) => {
    if (node.kind === Kind.FIELD) return node.name.value === 'logCursor'
    if (node.kind === Kind.INLINE_FRAGMENT) return asksForCursor(node.selectionSet, info)
    return asksForCursor(info.fragments[node.name.value]!.selectionSet, info)
  })
}
