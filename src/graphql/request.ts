import { onlyUser } from '../domain/visibility.ts'
import type { MessageCounts as Counts } from '../store/message.read.ts'
import { may, OF_A_MESSAGE, OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'
import { actorOf } from './context.ts'
import { MessageConnection, messagePage } from './message.ts'

export const MessageCounts = builder.objectRef<Counts>('MessageCounts').implement({
  description: 'How messages stand now: total = pending + sent + failed + skipped + canceled.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    total: t.exposeInt('total'),
    pending: t.exposeInt('pending'),
    sent: t.exposeInt('sent'),
    failed: t.exposeInt('failed'),
    skipped: t.exposeInt('skipped'),
    canceled: t.exposeInt('canceled'),
  }),
})

export const Request = builder.prismaObject('Request', {
  description: 'One send: what its messages have in common.',
  authScopes: OF_A_MESSAGE,
  select: { id: true, environmentId: true },
  fields: (t) => ({
    id: t.exposeID('id'),
    acceptedAt: t.expose('acceptedAt', { type: 'DateTime' }),
    archivedAt: t.expose('archivedAt', { type: 'DateTime', nullable: true }),
    expanded: t.exposeBoolean('expanded', { description: 'True once every message exists.' }),
    counts: t.field({
      type: MessageCounts,
      description: 'Of the messages that whoever asks may see.',
      resolve: async ({ environmentId, id }, _args, context) => {
        const { reads } = context.graph
        return reads.countMessages(environmentId, id, await onlyUser(actorOf(context), id, reads.isRequestOfJobs))
      },
    }),
    messages: t.field({
      type: MessageConnection,
      args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
      resolve: (request, args, context) => messagePage(context, `request/${request.id}`, args, { requestId: request.id }),
    }),
  }),
})

builder.queryFields((t) => ({
  request: t.prismaField({
    type: Request,
    nullable: true,
    description: 'Null where there is no such request.',
    authScopes: may({ key: ['MESSAGES_READ', 'MESSAGES_WRITE'], token: ['MESSAGES_READ'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (query, _root, { id }, context) => {
      const actor = actorOf(context)
      return (await onlyUser(actor, id, context.graph.reads.isRequestOfJobs)) === null
        ? context.graph.prisma.request.findFirst({ ...query, where: { environmentId: actor.environmentId, id } })
        : null
    },
  }),
}))
