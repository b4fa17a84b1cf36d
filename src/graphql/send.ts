import type { Accepted } from '../domain/accept.ts'
import { chooseKey, fingerprint } from '../domain/idempotency.ts'
import { checkSend, modeOf } from '../domain/send.ts'
import { Refusal } from '../errors.ts'
import { may, OF_A_MESSAGE } from './access.ts'
import { builder } from './builder.ts'
import { ChannelsInput, ProviderSettingsInput, TimeoutInput, UtmInput } from './channel-settings.ts'
import { ContentInput } from './content.ts'
import { actorOf } from './context.ts'
import { DelayInput } from './delay.ts'
import { Message } from './message.ts'
import { RecipientInput } from './recipient.ts'
import { Request } from './request.ts'
import { RoutingInput } from './routing.ts'

const MetadataInput = builder.inputType('MetadataInput', {
  description: 'For finding messages again: at most 9 tags of at most 30 characters.',
  fields: (t) => ({
    event: t.string(),
    tags: t.stringList(),
    traceId: t.string(),
    utm: t.field({ type: UtmInput, description: 'What tracked links say about where a click came from.' }),
  }),
})

/** What every message of a send shares. */
export const messageFields = (t: Fields) => ({
  content: t.field({ type: ContentInput, description: 'Exactly one of content and template.' }),
  template: t.id({
    description: "A template's id: the version that is published now. An unknown one is an error of status 404.",
  }),
  data: t.field({ type: 'JSONObject', description: "What variables read. It must satisfy the template's dataSchema." }),
  brandId: t.id({ description: "Over the tenant's brand." }),
  tenantId: t.id({
    description: 'The tenant whose brand, default preferences and profile hold for every recipient.',
  }),
  locale: t.string({ description: 'A language tag (BCP 47).' }),
  routing: t.field({ type: RoutingInput, description: "Over the template's and the environment's." }),
  channels: t.field({ type: ChannelsInput, description: "Over the template's, setting by setting." }),
  providers: t.field({ type: [ProviderSettingsInput], description: "Over the template's, setting by setting." }),
  topicId: t.id({
    description: "What the message is about, over the template's topic: whoever opted out of it does not get the message.",
  }),
  delay: t.field({ type: DelayInput }),
  timeout: t.field({ type: TimeoutInput }),
  expiresAt: t.field({
    type: 'DateTime',
    description: 'The inbox message disappears then; a message not yet sent is not sent any more.',
  }),
  metadata: t.field({ type: MetadataInput }),
})

type Fields = Parameters<Parameters<typeof builder.inputType<'MetadataInput', Record<string, never>>>[1]['fields']>[0]

export const SendInput = builder.inputType('SendInput', {
  description: 'What to send, and to whom.',
  fields: (t) => ({
    to: t.field({ type: [RecipientInput], required: true }),
    ...messageFields(t),
    idempotencyKey: t.string(),
  }),
})

const SendPayload = builder.objectRef<Accepted & { environmentId: string }>('SendPayload').implement({
  description: 'What was committed.',
  authScopes: OF_A_MESSAGE,
  fields: (t) => ({
    requestId: t.exposeID('requestId', { description: "Where one person or place was named, also its message's id." }),
    request: t.prismaField({
      type: Request,
      resolve: (query, { environmentId, requestId }, _args, { graph }) =>
        graph.prisma.request.findUniqueOrThrow({ ...query, where: { environmentId_id: { environmentId, id: requestId } } }),
    }),
    message: t.prismaField({
      type: Message,
      nullable: true,
      description: 'That one message; null for groups and for several recipients.',
      resolve: (query, { environmentId, messageId }, _args, { graph }) =>
        messageId === null
          ? null
          : graph.prisma.message.findUnique({ ...query, where: { environmentId_id: { environmentId, id: messageId } } }),
    }),
    replayed: t.exposeBoolean('replayed', {
      description: 'True when an earlier request with the same idempotency key was answered again.',
    }),
  }),
})

builder.mutationFields((t) => ({
  send: t.field({
    type: SendPayload,
    description: 'Accepts a notification. When it answers, the request, its messages and its idempotency record are committed.',
    authScopes: may({ key: ['SEND'] }),
    args: { input: t.arg({ type: SendInput, required: true }) },
    resolve: async (_root, args, context) => {
      const actor = actorOf(context)
      const { idempotencyKey, ...input } = args.input
      const key = chooseKey(context.idempotencyKey, idempotencyKey)
      const accepted = await context.graph.accept({
        actor,
        input: checkSend(input, context.graph),
        key: key === null ? null : { operation: 'send', key, fingerprint: fingerprint({ mode: modeOf(actor), input }) },
      })
      if (accepted instanceof Refusal) throw accepted
      return { ...accepted, environmentId: actor.environmentId }
    },
  }),
}))
