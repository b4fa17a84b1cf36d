import { archiveRequest } from '../domain/archive.ts'
import { cancelMessage, cancelRequest } from '../domain/cancel.ts'
import { resendMessage } from '../domain/resend.ts'
import { modeOf } from '../domain/send.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, run } from './context.ts'
import { Message } from './message.ts'
import { Request } from './request.ts'
import { byId, found } from './row.ts'

builder.mutationFields((t) => ({
  cancelMessage: t.prismaField({
    type: Message,
    description:
      'Stops a message before a provider is called for it, or between attempts: once it is CANCELED no provider is called any more. Too late is an error of status 409; a second cancel is not.',
    authScopes: may({ key: ['MESSAGES_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (query, _root, { id }, context) => {
      await run(context, 'cancelMessage', cancelMessage, { id })
      return found(context.graph.prisma.message.findFirst({ ...query, ...byId(context, id) }), 'message', id)
    },
  }),
  cancelRequest: t.prismaField({
    type: Request,
    description:
      'Makes no further message of a request, and cancels those that can still be stopped. Of many messages most are canceled in the background: counts.pending tells what is left.',
    authScopes: may({ key: ['MESSAGES_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (query, _root, { id }, context) => {
      await run(context, 'cancelRequest', cancelRequest, { id })
      return found(context.graph.prisma.request.findFirst({ ...query, ...byId(context, id) }), 'request', id)
    },
  }),
  resendMessage: t.prismaField({
    type: Message,
    description:
      'Sends the same content to the same recipient again, at once, as a new message of a new request. Where the user was erased it is an error of status 409.',
    authScopes: may({ key: ['MESSAGES_WRITE'] }),
    args: { id: t.arg.id({ required: true }), idempotencyKey: t.arg.string() },
    resolve: async (query, _root, { id, idempotencyKey }, context) => {
      const input = { id, mode: modeOf(actorOf(context)) }
      const { value } = await run(context, 'resendMessage', resendMessage, input, idempotencyKey)
      return found(context.graph.prisma.message.findFirst({ ...query, ...byId(context, value) }), 'message', value)
    },
  }),
  archiveRequest: t.prismaField({
    type: Request,
    description: 'Hides every message of a request from the default listing.',
    authScopes: may({ key: ['MESSAGES_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (query, _root, { id }, context) => {
      await run(context, 'archiveRequest', archiveRequest, { id })
      return found(context.graph.prisma.request.findFirst({ ...query, ...byId(context, id) }), 'request', id)
    },
  }),
}))
