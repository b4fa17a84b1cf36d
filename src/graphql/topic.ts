import { deleteTopic, putTopic } from '../domain/topic.ts'
import type { TopicPreference as Kept } from '../domain/topic-preference.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, pageById } from './connection.ts'
import { actorOf, type Context, run } from './context.ts'
import { Channel, PreferenceStatus } from './enums.ts'
import { byId, found } from './row.ts'

export const Topic = builder.prismaObject('Topic', {
  description: 'What messages are about, as a user chooses among them.',
  authScopes: may({
    key: ['CONTENT_READ', 'CONTENT_WRITE', 'USERS_READ', 'USERS_WRITE'],
    token: ['PREFERENCES_READ', 'PREFERENCES_WRITE'],
  }),
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    section: t.exposeString('section', { nullable: true, description: 'The heading it stands under.' }),
    defaultStatus: t.expose('defaultStatus', { type: PreferenceStatus }),
    channels: t.field({
      type: [Channel],
      nullable: true,
      description: 'Those a user may choose among; null means every one. It cuts no routing by itself.',
      resolve: (topic) => (topic.channels.length === 0 ? null : topic.channels),
    }),
    includeUnsubscribeHeader: t.exposeBoolean('includeUnsubscribeHeader'),
    exemptFromSendLimits: t.exposeBoolean('exemptFromSendLimits'),
  }),
})

/** A kept preference with its topic's row. */
export type TopicPreferenceShape = Omit<Kept, 'topicId'> & { readonly topic: typeof Topic.$inferType }

export const TopicPreference = builder.objectRef<TopicPreferenceShape>('TopicPreference').implement({
  description: 'What a tenant or a list says about a topic.',
  authScopes: may({ key: ['CONTENT_READ', 'CONTENT_WRITE', 'USERS_READ', 'USERS_WRITE'] }),
  fields: (t) => ({
    topic: t.field({ type: Topic, resolve: (preference) => preference.topic }),
    status: t.expose('status', { type: PreferenceStatus }),
    channels: t.field({ type: [Channel], nullable: true, resolve: (preference) => preference.channels as never }),
  }),
})

export const TopicPreferenceInput = builder.inputType('TopicPreferenceInput', {
  description: 'What a tenant, a list or one send says about a topic.',
  fields: (t) => ({
    topicId: t.id({ required: true }),
    status: t.field({ type: PreferenceStatus, required: true }),
    channels: t.field({ type: [Channel], description: 'Only these; null means every one.' }),
  }),
})

/** Kept preferences with their topics, in one read; those whose topic is gone are left out. */
export async function topicPreferencesOf(context: Context, kept: readonly Kept[]): Promise<TopicPreferenceShape[]> {
  if (kept.length === 0) return []
  const topics = await context.graph.prisma.topic.findMany({
    where: { environmentId: actorOf(context).environmentId, id: { in: kept.map(({ topicId }) => topicId) } },
  })
  return kept.flatMap(({ topicId, ...rest }) => {
    const topic = topics.find(({ id }) => id === topicId)
    return topic ? [{ ...rest, topic }] : []
  })
}

const TopicInput = builder.inputType('TopicInput', {
  description: 'A whole topic: what is left out takes its default.',
  fields: (t) => ({
    name: t.string({ required: true }),
    description: t.string(),
    section: t.string({ description: 'The heading it stands under.' }),
    defaultStatus: t.field({ type: PreferenceStatus, required: true, description: 'What holds until somebody chooses.' }),
    channels: t.field({
      type: [Channel],
      description: 'Those a user may choose among; null means every one. It cuts no routing by itself.',
    }),
    includeUnsubscribeHeader: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Mails carry a one-click List-Unsubscribe header (RFC 8058).',
    }),
    exemptFromSendLimits: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Counted by the send limits, never stopped by them.',
    }),
  }),
})

const TopicConnection = connectionOf('Topic', Topic)

builder.queryFields((t) => ({
  topic: t.prismaField({
    type: Topic,
    nullable: true,
    description: 'Null where there is no such topic.',
    authScopes: may({ key: ['CONTENT_READ', 'CONTENT_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) => context.graph.prisma.topic.findFirst({ ...query, ...byId(context, id) }),
  }),
  topics: t.field({
    type: TopicConnection,
    description: 'By id.',
    authScopes: may({ key: ['CONTENT_READ', 'CONTENT_WRITE'] }),
    args: { first: t.arg.int({ defaultValue: 50 }), after: t.arg.string() },
    resolve: (_root, args, context) => pageById(context, 'topics', args, (range) => context.graph.prisma.topic.findMany(range)),
  }),
}))

builder.mutationFields((t) => ({
  putTopic: t.prismaField({
    type: Topic,
    description: 'Creates a topic, or replaces the whole of it. What users chose about it stays.',
    authScopes: may({ key: ['CONTENT_WRITE'] }),
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: TopicInput, required: true }) },
    resolve: async (query, _root, args, context) => {
      const { value } = await run(context, 'putTopic', putTopic, args)
      return found(context.graph.prisma.topic.findFirst({ ...query, ...byId(context, value.id) }), 'topic', value.id)
    },
  }),
  deleteTopic: t.boolean({
    description:
      'With all that users, lists and tenants said about it. False where there was none. Refused for one that a published template is about.',
    authScopes: may({ key: ['CONTENT_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => (await run(context, 'deleteTopic', deleteTopic, { id })).value,
  }),
}))
