import { markInboxMessages } from '../domain/inbox-mark.ts'
import { tenantOf, userOf } from '../domain/visibility.ts'
import type { LogEvent } from '../log/event.ts'
import type { InboxRow } from '../store/inbox.read.ts'
import type { InboxCounts as Counts } from '../store/inbox.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, keyset, page } from './connection.ts'
import { actorOf, run } from './context.ts'
import { InboxEventType, InboxMark, InboxReadStatus } from './enums.ts'
import { InboxAction } from './inbox-action.ts'
import { cursorOf } from './message-event.ts'

const OF_AN_INBOX = may({ key: ['INBOX_READ', 'INBOX_WRITE'], token: ['INBOX_READ'] })
/** What was marked is shown to whoever marked it. */
const OF_AN_INBOX_MESSAGE = may({ key: ['INBOX_READ', 'INBOX_WRITE'], token: ['INBOX_READ', 'INBOX_WRITE'] })

const InboxMessage = builder.objectRef<InboxRow>('InboxMessage').implement({
  description: "A message in a user's inbox.",
  authScopes: OF_AN_INBOX_MESSAGE,
  fields: (t) => ({
    id: t.exposeID('id', { description: "The message's id." }),
    userId: t.exposeID('userId'),
    tenantId: t.exposeID('tenantId', { nullable: true }),
    title: t.exposeString('title', { nullable: true }),
    preview: t.exposeString('preview', { nullable: true }),
    body: t.exposeString('body', { nullable: true }),
    actions: t.field({ type: [InboxAction], resolve: (message) => message.actions as never }),
    data: t.expose('data', { type: 'JSONObject' }),
    tags: t.field({ type: ['String'], resolve: (message) => [...message.tags] }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    readAt: t.expose('readAt', { type: 'DateTime', nullable: true }),
    openedAt: t.expose('openedAt', { type: 'DateTime', nullable: true }),
    archivedAt: t.expose('archivedAt', { type: 'DateTime', nullable: true }),
    clickedAt: t.expose('clickedAt', { type: 'DateTime', nullable: true }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
  }),
})

const InboxCounts = builder.objectRef<Counts>('InboxCounts').implement({
  description: 'How many messages, and how many of them are unread and unopened.',
  authScopes: OF_AN_INBOX,
  fields: (t) => ({ total: t.exposeInt('total'), unread: t.exposeInt('unread'), unopened: t.exposeInt('unopened') }),
})

const InboxMessageConnection = connectionOf<InboxRow>('InboxMessage', InboxMessage)

const InboxEvent = builder.objectRef<LogEvent>('InboxEvent').implement({
  description: 'One thing that happened to an inbox.',
  authScopes: OF_AN_INBOX,
  fields: (t) => ({
    cursor: t.string({ resolve: (event, _args, context) => cursorOf(context, event) }),
    type: t.field({ type: InboxEventType, resolve: (event) => event.type as never }),
    at: t.expose('at', { type: 'DateTime' }),
    messageId: t.exposeID('messageId', { nullable: true, description: 'Null for events about the whole inbox.' }),
    message: t.field({
      type: InboxMessage,
      nullable: true,
      description: 'Null for those, and once it was removed.',
      resolve: async ({ environmentId, userId, messageId }, _args, { graph }) =>
        messageId === null ? null : ((await graph.reads.readInboxMessages(environmentId, userId!, [messageId]))[0] ?? null),
    }),
    tags: t.stringList({ nullable: true, resolve: (event) => (event.detail?.tags as string[] | undefined) ?? null }),
    counts: t.field({
      type: InboxCounts,
      description: 'Of all that are not archived, once this had happened.',
      resolve: (event) => event.detail!.counts as Counts,
    }),
  }),
})

const InboxFilter = builder.inputType('InboxFilter', {
  description: 'archived: null means both; tags: any of them.',
  fields: (t) => ({
    status: t.field({ type: InboxReadStatus }),
    archived: t.boolean({ defaultValue: false }),
    tags: t.stringList(),
    from: t.field({ type: 'DateTime' }),
  }),
})

builder.queryFields((t) => ({
  inbox: t.field({
    type: InboxMessageConnection,
    description: "Newest first. tenantId: that tenant's inbox; absent: what was sent without a tenant.",
    authScopes: OF_AN_INBOX,
    args: {
      filter: t.arg({ type: InboxFilter }),
      userId: t.arg.id(),
      tenantId: t.arg.id(),
      first: t.arg.int({ defaultValue: 24 }),
      after: t.arg.string(),
    },
    resolve: (_root, { filter, userId, tenantId, ...args }, context) => {
      const actor = actorOf(context)
      const inbox = { environmentId: actor.environmentId, userId: userOf(actor, userId), tenantId: tenantOf(actor, tenantId) }
      const places = keyset<InboxRow>(context, `inbox/${inbox.userId}`, (row) => [row.createdAt.toISOString(), row.id])
      return page(places, args, (after, take) => {
        const place = after === null ? null : { at: new Date(after[0]!), id: after[1]! }
        return context.graph.reads.readInbox(inbox, filter ?? { archived: false }, place, take)
      })
    },
  }),
  inboxMessage: t.field({
    type: InboxMessage,
    nullable: true,
    description: 'Null where the inbox has no such message.',
    authScopes: OF_AN_INBOX,
    args: { id: t.arg.id({ required: true }), userId: t.arg.id() },
    resolve: async (_root, { id, userId }, { graph, ...context }) => {
      const actor = actorOf({ graph, ...context })
      const [message] = await graph.reads.readInboxMessages(actor.environmentId, userOf(actor, userId), [id])
      const visible = message && (actor.kind === 'key' || actor.tenantId === null || actor.tenantId === message.tenantId)
      return visible ? message : null
    },
  }),
  inboxCounts: t.field({
    type: InboxCounts,
    description: 'Of the messages that match; without a filter, of all that are not archived.',
    authScopes: OF_AN_INBOX,
    args: { filter: t.arg({ type: InboxFilter }), userId: t.arg.id(), tenantId: t.arg.id() },
    resolve: (_root, { filter, userId, tenantId }, context) => {
      const actor = actorOf(context)
      const inbox = { environmentId: actor.environmentId, userId: userOf(actor, userId), tenantId: tenantOf(actor, tenantId) }
      return context.graph.reads.countInbox(inbox, filter ?? { archived: false })
    },
  }),
}))

builder.mutationFields((t) => ({
  markInboxMessages: t.field({
    type: [InboxMessage],
    description:
      'At most 1,000. Those that are gone are left out of the answer. What is so already stays as it is, without an event. What was OPENED or CLICKED moves the message itself, too.',
    authScopes: may({ key: ['INBOX_WRITE'], token: ['INBOX_WRITE'] }),
    args: {
      ids: t.arg.idList({ required: true }),
      as: t.arg({ type: InboxMark, required: true }),
      userId: t.arg.id(),
    },
    resolve: async (_root, input, context) => {
      const { value } = await run(context, 'markInboxMessages', markInboxMessages, input)
      const { environmentId } = actorOf(context)
      const rows = await context.graph.reads.readInboxMessages(environmentId, value.userId, value.ids)
      const byId = new Map(rows.map((row) => [row.id, row]))
      return value.ids.flatMap((id) => byId.get(id) ?? [])
    },
  }),
}))

builder.subscriptionFields((t) => ({
  inboxEvents: t.field({
    type: InboxEvent,
    description: 'What happens to an inbox. after: the cursor of the last event received, or logCursor; absent: from now.',
    authScopes: OF_AN_INBOX,
    args: { userId: t.arg.id(), tenantId: t.arg.id(), after: t.arg.string() },
    subscribe: (_root, { userId, tenantId, after }, context) => {
      const actor = actorOf(context)
      const { environmentId } = actor
      const filter = { stream: 'INBOX', userId: userOf(actor, userId), tenantId: tenantOf(actor, tenantId) } as const
      const place = after == null ? null : context.graph.cursors.decode(environmentId, after)
      return context.graph.log.follow({ environmentId, after: place, filter, signal: context.signal }) as never
    },
    resolve: (event: LogEvent) => event,
  }),
}))
