import type { Actor } from '../domain/actor.ts'
import type { Attempt as AttemptRecord } from '../domain/route.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import type { Kept } from '../store/record.ts'
import { isOwnContent, may, OF_A_MESSAGE, OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, keyset, type PageArgs, page } from './connection.ts'
import { actorOf, type Context } from './context.ts'
import { AttemptOutcome, Channel, DeliveryStatus, MessageReason, MessageStatus } from './enums.ts'
import { Decision, RenderedOutput, toOutput } from './output.ts'

export const Attempt = builder.objectRef<Kept<AttemptRecord>>('Attempt').implement({
  description:
    'One call to a provider or to a webhook endpoint. outcome: null while it runs; code: the SMTP or HTTP status answered.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    number: t.exposeInt('number'),
    startedAt: t.expose('startedAt', { type: 'DateTime' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
    outcome: t.expose('outcome', { type: AttemptOutcome, nullable: true }),
    code: t.exposeString('code', { nullable: true }),
    error: t.exposeString('error', { nullable: true }),
  }),
})

const Delivery = builder.prismaObject('Delivery', {
  description: "One provider's turn with a message.",
  authScopes: OF_A_MESSAGE,
  fields: (t) => ({
    id: t.exposeID('id'),
    channel: t.expose('channel', { type: Channel }),
    providerId: t.exposeID('providerId'),
    address: t.exposeString('address', { nullable: true }),
    status: t.expose('status', { type: DeliveryStatus }),
    attempts: t.field({
      type: [Attempt],
      description: 'Oldest first.',
      select: { attempts: true },
      resolve: (delivery) => delivery.attempts as unknown as Kept<AttemptRecord>[],
    }),
    reference: t.exposeString('reference', { nullable: true, description: "The provider's own id for it." }),
    error: t.exposeString('error', { nullable: true }),
    startedAt: t.expose('startedAt', { type: 'DateTime' }),
    sentAt: t.expose('sentAt', { type: 'DateTime', nullable: true }),
    deliveredAt: t.expose('deliveredAt', { type: 'DateTime', nullable: true }),
    openedAt: t.expose('openedAt', { type: 'DateTime', nullable: true }),
    clickedAt: t.expose('clickedAt', { type: 'DateTime', nullable: true }),
    nextAttemptAt: t.expose('nextAttemptAt', { type: 'DateTime', nullable: true }),
  }),
})

const ownContent = (message: { userId: string | null }, _args: object, context: Context) => isOwnContent(message, context)

export const Message = builder.prismaObject('Message', {
  description: 'One message for one recipient.',
  authScopes: OF_A_MESSAGE,
  fields: (t) => ({
    id: t.exposeID('id'),
    requestId: t.exposeID('requestId'),
    request: t.relation('request'),
    status: t.expose('status', { type: MessageStatus }),
    reason: t.expose('reason', { type: MessageReason, nullable: true }),
    error: t.exposeString('error', {
      authScopes: ownContent,
      nullable: true,
      description: 'The last error in words, as it would help the person who sent it.',
    }),
    userId: t.exposeID('userId', { authScopes: ownContent, nullable: true }),
    recipient: t.exposeString('recipient', {
      authScopes: ownContent,
      description: 'The address or the user id that the send named.',
    }),
    tenantId: t.exposeID('tenantId', { nullable: true }),
    jobId: t.exposeID('jobId', { nullable: true }),
    listId: t.exposeID('listId', { nullable: true }),
    audienceId: t.exposeID('audienceId', { nullable: true }),
    resendOf: t.exposeID('resendOf', { nullable: true }),
    templateId: t.exposeID('templateId', { nullable: true }),
    templateVersion: t.exposeInt('templateVersion', { nullable: true }),
    topicId: t.exposeID('topicId', { nullable: true }),
    tags: t.exposeStringList('tags'),
    traceId: t.exposeString('traceId', { nullable: true }),
    event: t.exposeString('event', { nullable: true }),
    enqueuedAt: t.expose('enqueuedAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the status last changed.' }),
    scheduledFor: t.expose('scheduledFor', { type: 'DateTime', nullable: true }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    sentAt: t.expose('sentAt', { type: 'DateTime', nullable: true }),
    deliveredAt: t.expose('deliveredAt', { type: 'DateTime', nullable: true }),
    openedAt: t.expose('openedAt', { type: 'DateTime', nullable: true }),
    clickedAt: t.expose('clickedAt', { type: 'DateTime', nullable: true }),
    canceledAt: t.expose('canceledAt', { type: 'DateTime', nullable: true }),
    deliveries: t.relation('deliveries', {
      authScopes: ownContent,
      type: Delivery,
      query: { orderBy: [{ startedAt: 'asc' }, { id: 'asc' }] },
      description: 'Every provider that was tried, oldest first.',
    }),
    output: t.field({
      authScopes: ownContent,
      type: [RenderedOutput],
      description: 'What each channel rendered.',
      select: { outputs: { orderBy: [{ channel: 'asc' }, { providerId: 'asc' }] } },
      resolve: (message) => message.outputs.map(toOutput),
    }),
    decisions: t.field({
      authScopes: ownContent,
      type: [Decision],
      description: 'The rules that were asked when it was planned, in order, and what each answered.',
      select: { plan: { select: { decisions: true } } },
      resolve: (message) => (message.plan?.decisions ?? []) as never,
    }),
  }),
})

export const MessageConnection = connectionOf<typeof Message.$inferType>('Message', Message)

const MessageFilter = builder.inputType('MessageFilter', {
  description: 'All that are given must hold.',
  fields: (t) => ({
    ids: t.idList(),
    statuses: t.field({ type: [MessageStatus] }),
    userId: t.id(),
    recipient: t.string(),
    tenantId: t.id(),
    requestId: t.id(),
    traceId: t.string(),
    jobId: t.id(),
    listId: t.id(),
    audienceId: t.id(),
    templateId: t.id(),
    topicId: t.id(),
    event: t.string(),
    providerIds: t.idList(),
    tags: t.stringList({ description: 'Any of them.' }),
    enqueuedAfter: t.field({ type: 'DateTime' }),
    enqueuedBefore: t.field({ type: 'DateTime' }),
    archived: t.boolean({ defaultValue: false, description: 'Null: both.' }),
  }),
})

/** The messages an actor may see, as a condition. */
function visibleMessages(actor: Actor): Prisma.MessageWhereInput {
  const own: Prisma.MessageWhereInput = { environmentId: actor.environmentId }
  if (actor.kind === 'key') return own
  const branches: Prisma.MessageWhereInput[] = [
    { requestId: { in: [...actor.requestIds] } },
    { jobId: { in: [...actor.jobIds] } },
  ]
  if (actor.userId !== null) branches.push({ userId: actor.userId, ...(actor.tenantId !== null && { tenantId: actor.tenantId }) })
  return { ...own, OR: branches }
}

/** A page of messages, newest first. */
export function messagePage(context: Context, list: string, args: PageArgs, where: Prisma.MessageWhereInput) {
  const places = keyset<typeof Message.$inferType>(context, list, (row) => [row.enqueuedAt.toISOString(), row.id])
  return page(places, args, (after, take) =>
    context.graph.prisma.message.findMany({
      where: { AND: [visibleMessages(actorOf(context)), where, after === null ? {} : olderThan(after)] },
      orderBy: [{ enqueuedAt: 'desc' }, { id: 'desc' }],
      take,
    }),
  )
}

function olderThan([enqueuedAt, id]: readonly string[]): Prisma.MessageWhereInput {
  // The bound by itself is what the index begins at; the rest alone would be a filter over all that is newer.
  return {
    enqueuedAt: { lte: enqueuedAt! },
    OR: [{ enqueuedAt: { lt: enqueuedAt! } }, { enqueuedAt: enqueuedAt!, id: { lt: id! } }],
  }
}

builder.queryFields((t) => ({
  message: t.prismaField({
    type: Message,
    nullable: true,
    description: 'Null where there is no such message.',
    authScopes: may({ key: ['MESSAGES_READ', 'MESSAGES_WRITE'], token: ['MESSAGES_READ'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) =>
      context.graph.prisma.message.findFirst({ ...query, where: { AND: [visibleMessages(actorOf(context)), { id }] } }),
  }),
  messages: t.field({
    type: MessageConnection,
    description: 'Newest first.',
    authScopes: may({ key: ['MESSAGES_READ', 'MESSAGES_WRITE'], token: ['MESSAGES_READ'] }),
    args: { filter: t.arg({ type: MessageFilter }), first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, { filter, ...args }, context) => {
      const asked = filter ?? { archived: false }
      return messagePage(context, 'messages', args, { AND: [whereOf(asked), ownIfByPerson(actorOf(context), asked)] })
    },
  }),
}))

/** Who may not see to whom a message is does not learn it by guessing either: asked by that, tokens find those of their user. */
function ownIfByPerson(actor: Actor, { userId, recipient }: typeof MessageFilter.$inferInput): Prisma.MessageWhereInput {
  if (actor.kind === 'key' || (userId == null && recipient == null)) return {}
  return { userId: { in: actor.userId === null ? [] : [actor.userId] } }
}

function whereOf(filter: typeof MessageFilter.$inferInput): Prisma.MessageWhereInput {
  const equal = [
    'userId',
    'recipient',
    'tenantId',
    'requestId',
    'traceId',
    'jobId',
    'listId',
    'audienceId',
    'templateId',
    'topicId',
    'event',
  ] as const
  const where: Prisma.MessageWhereInput = {}
  for (const name of equal) if (filter[name] != null) where[name] = filter[name]
  if (filter.ids != null) where.id = { in: filter.ids }
  if (filter.statuses != null) where.status = { in: filter.statuses }
  if (filter.tags != null) where.tags = { hasSome: filter.tags }
  if (filter.providerIds != null) where.deliveries = { some: { providerId: { in: filter.providerIds } } }
  if (filter.enqueuedAfter != null) where.AND = [{ enqueuedAt: { gt: filter.enqueuedAfter } }]
  if (filter.enqueuedBefore != null) where.enqueuedAt = { lt: filter.enqueuedBefore }
  if (filter.archived != null) where.request = { archivedAt: filter.archived ? { not: null } : null }
  return where
}
