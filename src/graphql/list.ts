import { deleteList, putList, subscribeToList, unsubscribeFromList } from '../domain/list.ts'
import { checkListPattern } from '../domain/list-pattern.ts'
import type { TopicPreference as KeptPreference } from '../domain/topic-preference.ts'
import { may, OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'
import { type ConnectionShape, connectionOf, keyset, type PageArgs, PageInfo, page } from './connection.ts'
import { actorOf, type Context, run } from './context.ts'
import { byId, found } from './row.ts'
import { TopicPreference, TopicPreferenceInput, topicPreferencesOf } from './topic.ts'
import { User } from './user.ts'

const OF_A_LIST = may({ key: ['USERS_READ', 'USERS_WRITE'] })
const FOR_EDITORS = may({ key: ['USERS_WRITE'] })

interface Subscriber {
  readonly subscribedAt: Date
  readonly user: typeof User.$inferType
}

const ListSubscriberEdge = builder.objectRef<ConnectionShape<Subscriber>['edges'][number]>('ListSubscriberEdge').implement({
  description: 'One subscriber of a page, with the cursor, and since when.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    cursor: t.exposeString('cursor'),
    node: t.field({ type: User, resolve: (edge) => edge.node.user }),
    subscribedAt: t.field({ type: 'DateTime', resolve: (edge) => edge.node.subscribedAt }),
  }),
})

const ListSubscriberConnection = builder.objectRef<ConnectionShape<Subscriber>>('ListSubscriberConnection').implement({
  description: 'A page of the users on a list.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    edges: t.field({ type: [ListSubscriberEdge], resolve: (connection) => [...connection.edges] }),
    nodes: t.field({ type: [User], resolve: (connection) => connection.nodes.map(({ user }) => user) }),
    pageInfo: t.field({ type: PageInfo, resolve: (connection) => connection.pageInfo }),
  }),
})

export const List = builder.prismaObject('List', {
  description: 'Users who were put on it, one by one. Its id is 1 to 4 parts with dots between them.',
  authScopes: OF_A_LIST,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    preferences: t.field({
      type: [TopicPreference],
      description: 'What holds for messages to this list.',
      resolve: (list, _args, context) => topicPreferencesOf(context, list.preferences as unknown as KeptPreference[]),
    }),
    subscriberCount: t.int({
      resolve: ({ environmentId, id }, _args, { graph }) =>
        graph.prisma.listSubscription.count({ where: { environmentId, listId: id } }),
    }),
    subscribers: t.field({
      type: ListSubscriberConnection,
      description: 'By user id.',
      args: { first: t.arg.int({ defaultValue: 50 }), after: t.arg.string() },
      resolve: (list, args, context) => subscriberPage(context, list.id, args),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const ListConnection = connectionOf<typeof List.$inferType>('List', List)

const placesOf = (context: Context, name: string) => keyset<typeof List.$inferType>(context, name, (list) => [list.id])

function subscriberPage(context: Context, listId: string, args: PageArgs) {
  const { environmentId } = actorOf(context)
  const places = keyset<Subscriber>(context, `list/${listId}/subscribers`, ({ user }) => [user.id])
  return page<Subscriber, readonly string[]>(places, args, (after, take) =>
    context.graph.prisma.listSubscription.findMany({
      where: { environmentId, listId, userId: { gt: after?.[0] ?? '' } },
      orderBy: { userId: 'asc' },
      take,
      include: { user: true },
    }),
  )
}

builder.prismaObjectFields(User, (t) => ({
  lists: t.field({
    type: ListConnection,
    description: 'Those the user is on, by id.',
    authScopes: OF_A_LIST,
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: ({ environmentId, id }, args, context) =>
      page(placesOf(context, `user/${id}/lists`), args, async (after, take) => {
        const subscriptions = await context.graph.prisma.listSubscription.findMany({
          where: { environmentId, userId: id, listId: { gt: after?.[0] ?? '' } },
          orderBy: { listId: 'asc' },
          take,
          include: { list: true },
        })
        return subscriptions.map(({ list }) => list)
      }),
  }),
}))

const ListInput = builder.inputType('ListInput', {
  description: 'A whole list but for who is on it: what is left out takes its default.',
  fields: (t) => ({ name: t.string({ required: true }), preferences: t.field({ type: [TopicPreferenceInput] }) }),
})

builder.queryFields((t) => ({
  list: t.prismaField({
    type: List,
    nullable: true,
    description: 'Null where there is no such list.',
    authScopes: OF_A_LIST,
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) => context.graph.prisma.list.findFirst({ ...query, ...byId(context, id) }),
  }),
  lists: t.field({
    type: ListConnection,
    description: 'By id. pattern: an id, or * (one whole part) and ** (one or more, at the end only) as wildcards.',
    authScopes: OF_A_LIST,
    args: { pattern: t.arg.string(), first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, { pattern, ...args }, context) => {
      const checked = pattern == null ? null : checkListPattern(pattern, ['pattern'])
      const { environmentId } = actorOf(context)
      return page(placesOf(context, `lists/${checked ?? ''}`), args, (after, take) =>
        context.graph.reads.readLists(environmentId, checked, after?.[0] ?? null, take),
      )
    },
  }),
}))

/** A list as it is after a command. */
function readList(context: Context, query: object, { id }: { readonly id: string }) {
  return found(context.graph.prisma.list.findFirst({ ...query, ...byId(context, id) }), 'list', id)
}

builder.mutationFields((t) => ({
  putList: t.prismaField({
    type: List,
    description: 'Creates or replaces a list; who is on it stays.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: ListInput, required: true }) },
    resolve: async (query, _root, args, context) =>
      readList(context, query, (await run(context, 'putList', putList, args)).value),
  }),
  deleteList: t.boolean({
    description: 'With its subscriptions, for good. False where there was none.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, args, context) => (await run(context, 'deleteList', deleteList, args)).value,
  }),
  subscribeToList: t.prismaField({
    type: List,
    description: 'Adds; creates the list and the users when missing.',
    authScopes: FOR_EDITORS,
    args: { listId: t.arg.id({ required: true }), userIds: t.arg.idList({ required: true }) },
    resolve: async (query, _root, args, context) =>
      readList(context, query, (await run(context, 'subscribeToList', subscribeToList, args)).value),
  }),
  unsubscribeFromList: t.prismaField({
    type: List,
    description: 'Takes users off; the list and the users stay.',
    authScopes: FOR_EDITORS,
    args: { listId: t.arg.id({ required: true }), userIds: t.arg.idList({ required: true }) },
    resolve: async (query, _root, args, context) =>
      readList(context, query, (await run(context, 'unsubscribeFromList', unsubscribeFromList, args)).value),
  }),
}))
