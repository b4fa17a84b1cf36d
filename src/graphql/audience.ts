import { deleteAudience, putAudience } from '../domain/audience.ts'
import type { AudienceFilter as Filter } from '../store/audience-filter.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { type ConnectionShape, connectionOf, keyset, type PageArgs, page, pageById } from './connection.ts'
import { actorOf, type Context, run } from './context.ts'
import { byId, found } from './row.ts'
import { User } from './user.ts'

const OF_AUDIENCES = may({ key: ['USERS_READ', 'USERS_WRITE'] })

const AudienceOperator = builder.enumType('AudienceOperator', {
  description: 'What a filter asks. Texts are compared with case.',
  values: {
    AND: { description: 'All of the filters hold.' },
    OR: { description: 'Any of the filters holds.' },
    EQ: { description: 'Equal as JSON; a string that reads as a number, true or false also equals that.' },
    NEQ: { description: 'Exactly what EQ is not: absent values match.' },
    GT: { description: 'Between numbers, and strings of at most 15 digits before and after the point.' },
    GTE: {},
    LT: {},
    LTE: {},
    EXISTS: { description: 'true or absent: a value other than null is there; false: none is.' },
    INCLUDES: { description: 'A list that holds the value, or a text that has it as a part; of several values, any.' },
    OMIT: { description: 'Exactly what INCLUDES is not: absent values match.' },
    STARTS_WITH: {},
    ENDS_WITH: {},
    IS_BEFORE: { description: 'ISO 8601 instants or dates; a date is its midnight, and without an offset it is UTC.' },
    IS_AFTER: {},
    MEMBER_OF: { description: 'A member of the tenant whose id is the value; of several, any. The tenant need not exist.' },
  } as const,
})

interface FilterInput {
  readonly operator: typeof AudienceOperator.$inferType
  readonly path?: string | null
  readonly value?: unknown
  readonly filters?: readonly FilterInput[] | null
}

const AudienceFilter = builder.inputRef<FilterInput>('AudienceFilter').implement({
  description:
    'Either a leaf (operator, path, value) or a group (operator AND or OR, filters). At most 100 leaves, 10 levels deep.',
  fields: (t) => ({
    operator: t.field({ type: AudienceOperator, required: true }),
    path: t.string({
      description:
        'Into the profile: address.country; an integer also picks an entry of a list. MEMBER_OF: absent, tenant_id or account_id.',
    }),
    // Any JSON: checked by the command.
    value: t.field({ type: 'JSON' }) as never,
    filters: t.field({ type: [AudienceFilter] }),
  }),
})

const AudienceInput = builder.inputType('AudienceInput', {
  description: 'A whole audience: what is left out takes its default.',
  fields: (t) => ({
    name: t.string({ required: true }),
    description: t.string(),
    filter: t.field({ type: AudienceFilter, required: true }),
  }),
})

const AudienceMemberConnection = connectionOf<typeof User.$inferType>('AudienceMember', User)

const Audience = builder.prismaObject('Audience', {
  description: 'The users whose profiles and tenants fit a filter. Who they are is asked anew each time.',
  authScopes: OF_AUDIENCES,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    filter: t.expose('filter', { type: 'JSONObject', description: 'In the shape of AudienceFilter.' }),
    memberCount: t.int({
      description: 'How many are in it now.',
      select: { filter: true },
      resolve: ({ filter }, _args, context) =>
        context.graph.reads.countAudienceMembers(actorOf(context).environmentId, filter as unknown as Filter),
    }),
    members: t.field({
      type: AudienceMemberConnection,
      description: 'Who is in it now, by id.',
      args: { first: t.arg.int({ defaultValue: 50 }), after: t.arg.string() },
      select: { id: true, filter: true },
      resolve: ({ id, filter }, args, context) => memberPage(context, id, filter as unknown as Filter, args),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const AudienceConnection = connectionOf<typeof Audience.$inferType>('Audience', Audience)

/** The page is cut from ids; a user who is gone by the time of the second read is left out, and the page goes on after it. */
async function memberPage(
  context: Context,
  audienceId: string,
  filter: Filter,
  args: PageArgs,
): Promise<ConnectionShape<typeof User.$inferType>> {
  const { environmentId } = actorOf(context)
  const { reads, prisma } = context.graph
  const places = keyset<string>(context, `audience/${audienceId}`, (userId) => [userId])
  const { pageInfo, edges: members } = await page(places, args, (after, take) =>
    reads.readAudienceMembers(environmentId, filter, after?.[0] ?? null, take),
  )
  const rows = await prisma.user.findMany({ where: { environmentId, id: { in: members.map(({ node }) => node) } } })
  const users = new Map(rows.map((row) => [row.id, row]))
  const edges = members.flatMap(({ cursor, node }) => (users.has(node) ? [{ cursor, node: users.get(node)! }] : []))
  return { edges, nodes: edges.map(({ node }) => node), pageInfo }
}

builder.queryFields((t) => ({
  audience: t.prismaField({
    type: Audience,
    nullable: true,
    description: 'Null where there is no such audience.',
    authScopes: OF_AUDIENCES,
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) => context.graph.prisma.audience.findFirst({ ...query, ...byId(context, id) }),
  }),
  audiences: t.field({
    type: AudienceConnection,
    description: 'By id.',
    authScopes: OF_AUDIENCES,
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, args, context) =>
      pageById(context, 'audiences', args, (range) => context.graph.prisma.audience.findMany(range)),
  }),
}))

builder.mutationFields((t) => ({
  putAudience: t.prismaField({
    type: Audience,
    description: 'Makes an audience, or replaces the whole of it.',
    authScopes: may({ key: ['USERS_WRITE'] }),
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: AudienceInput, required: true }) },
    resolve: async (query, _root, { id, input }, context) => {
      await run(context, 'putAudience', putAudience, { id, ...input })
      return found(context.graph.prisma.audience.findFirst({ ...query, ...byId(context, id) }), 'audience', id)
    },
  }),
  deleteAudience: t.boolean({
    description: 'False where there was none. A later send to it is refused.',
    authScopes: may({ key: ['USERS_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => (await run(context, 'deleteAudience', deleteAudience, { id })).value,
  }),
}))
