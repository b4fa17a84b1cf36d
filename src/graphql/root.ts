import { type GraphQLObjectType, type GraphQLResolveInfo, type GraphQLSchema, Kind, type SelectionSetNode } from 'graphql'
import { cleanJson } from '../domain/json.ts'
import type { Context } from './context.ts'

/**
 * What holds for every argument of every root field: what could not be stored or compared with is refused, and so are lists
 * over the limit. Where an answer holds logCursor, nothing of it is read before the cursor was.
 */
export function guardRoots(schema: GraphQLSchema): GraphQLSchema {
  const clean = (args: Record<string, unknown>, { graph }: Context) => cleanJson(args, graph.maxListEntries)
  for (const field of fieldsOf(schema.getQueryType())) {
    const resolve = field.resolve!
    field.resolve = async (root, args, context: Context, info) => {
      if (asksForCursor(info.operation.selectionSet, info)) await context.logHead()
      return resolve(root, clean(args, context), context, info)
    }
  }
  for (const field of fieldsOf(schema.getMutationType())) {
    const resolve = field.resolve!
    field.resolve = async (root, args, context: Context, info) => resolve(root, clean(args, context), context, info)
  }
  for (const field of fieldsOf(schema.getSubscriptionType())) {
    const subscribe = field.subscribe!
    field.subscribe = async (root, args, context: Context, info) => subscribe(root, clean(args, context), context, info)
  }
  return schema
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
