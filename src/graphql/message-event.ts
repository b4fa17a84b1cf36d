import { eventFilterOf, startsAtFirst } from '../domain/visibility.ts'
import type { LogEvent } from '../log/event.ts'
import { isOwnContent, may, OF_A_MESSAGE } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, page } from './connection.ts'
import { actorOf, type Context } from './context.ts'
import { Channel, MessageEventType, MessageReason, MessageStatus } from './enums.ts'
import { Message } from './message.ts'

/** The cursor of an event: the same in a subscription, in a history and in logCursor. */
export async function cursorOf({ graph }: Context, event: LogEvent): Promise<string> {
  return graph.cursors.encode(event.environmentId, await graph.log.epoch(event.environmentId), event.position)
}

const MessageEvent = builder.objectRef<LogEvent>('MessageEvent').implement({
  description: 'One thing that happened to a message.',
  authScopes: OF_A_MESSAGE,
  fields: (t) => ({
    id: t.id({ resolve: (event) => `evt_${event.environmentId}_${event.position}` }),
    cursor: t.string({
      description: 'Where a subscription or a history query can go on from.',
      resolve: (event, _args, context) => cursorOf(context, event),
    }),
    type: t.field({ type: MessageEventType, resolve: (event) => event.type as never }),
    at: t.expose('at', { type: 'DateTime' }),
    messageId: t.id({ resolve: (event) => event.messageId! }),
    message: t.prismaField({
      type: Message,
      resolve: (query, event, _args, { graph }) =>
        graph.prisma.message.findUniqueOrThrow({
          ...query,
          where: { environmentId_id: { environmentId: event.environmentId, id: event.messageId! } },
        }),
    }),
    status: t.field({
      type: MessageStatus,
      description: "The message's status once this had happened.",
      resolve: (event) => event.status!,
    }),
    reason: t.expose('reason', { type: MessageReason, nullable: true }),
    channel: t.expose('channel', { type: Channel, nullable: true }),
    providerId: t.exposeID('providerId', { nullable: true }),
    error: t.string({
      nullable: true,
      resolve: (event, _args, context) => (isOwnContent(event, context) ? event.error : null),
    }),
    detail: t.field({
      type: 'JSONObject',
      nullable: true,
      resolve: (event, _args, context) => (isOwnContent(event, context) ? event.detail : null),
    }),
  }),
})

const MessageEventConnection = connectionOf<LogEvent>('MessageEvent', MessageEvent)

builder.prismaObjectFields(Message, (t) => ({
  history: t.field({
    type: MessageEventConnection,
    description: 'Everything that happened, oldest first.',
    args: { types: t.arg({ type: [MessageEventType] }), first: t.arg.int({ defaultValue: 50 }), after: t.arg.string() },
    select: { environmentId: true, id: true },
    resolve: (message, { types, ...args }, context) => {
      const { environmentId, id } = message
      const { cursors, log } = context.graph
      const filter = { stream: 'MESSAGE', messageIds: [id], ...(types && { types }) } as const
      const places = {
        encode: (event: LogEvent) => cursorOf(context, event),
        decode: (cursor: string) => cursors.decode(environmentId, cursor).position,
      }
      return page(places, args, (after, limit) => log.read({ environmentId, after: after ?? 0, filter, limit }))
    },
  }),
}))

const MessageEventFilter = builder.inputType('MessageEventFilter', {
  description:
    'All that are given must hold. An API key gives at least one of the first five, or all: true for all of its environment.',
  fields: (t) => ({
    messageIds: t.idList(),
    requestId: t.id(),
    jobId: t.id(),
    userId: t.id(),
    tenantId: t.id(),
    all: t.boolean(),
    types: t.field({ type: [MessageEventType] }),
  }),
})

builder.queryFields((t) => ({
  logCursor: t.string({
    description:
      "The log's position, no later than the rest of the same answer: a subscription that goes on after it has no gap to it.",
    authScopes: may({ key: ['MESSAGES_READ', 'SEND', 'BULK_WRITE', 'INBOX_READ'], token: ['MESSAGES_READ', 'INBOX_READ'] }),
    resolve: async (_root, _args, context) => {
      const { environmentId } = actorOf(context)
      const { epoch, position } = await context.logHead()
      return context.graph.cursors.encode(environmentId, epoch, position)
    },
  }),
}))

builder.subscriptionFields((t) => ({
  messageEvents: t.field({
    type: MessageEvent,
    description:
      'Every event of the messages that match, in order, none missing and none twice. after: the cursor of the last event received, or logCursor; ' +
      'what came since is replayed first, then it goes on live with no seam. Absent: with messageIds, requestId or jobId from their first event, otherwise from now.',
    authScopes: may({ key: ['MESSAGES_READ'], token: ['MESSAGES_READ'] }),
    args: { filter: t.arg({ type: MessageEventFilter, required: true }), after: t.arg.string() },
    subscribe: async (_root, { filter, after }, context) => {
      const actor = actorOf(context)
      const { environmentId } = actor
      const { log, cursors, reads } = context.graph
      const wanted = await eventFilterOf(actor, filter, reads.readRequestIdOfJob)
      const place =
        after != null
          ? cursors.decode(environmentId, after)
          : startsAtFirst(filter)
            ? await log.firstPositionOf(environmentId, wanted)
            : null
      return log.follow({ environmentId, after: place, filter: wanted, signal: context.signal })
    },
    resolve: (event) => event,
  }),
}))
