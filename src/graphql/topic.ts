import type { TopicPreference as Kept } from '../domain/topic-preference.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, type Context } from './context.ts'
import { Channel, PreferenceStatus } from './enums.ts'

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
      description: 'Those a user may choose among; null means every one.',
      select: { channels: true },
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
