import type { Accepted } from '../domain/accept.ts'
import { chooseKey, fingerprint } from '../domain/idempotency.ts'
import { checkSend, modeOf } from '../domain/send.ts'
import { Refusal } from '../errors.ts'
import { may, OF_A_MESSAGE } from './access.ts'
import { builder } from './builder.ts'
import { actorOf } from './context.ts'
import { Message } from './message.ts'
import { Request } from './request.ts'
import { TopicPreferenceInput } from './topic.ts'
import { DeviceTokenInput } from './user.ts'

const HeaderInput = builder.inputType('HeaderInput', {
  description: 'An extra header of an HTTP request.',
  fields: (t) => ({ name: t.string({ required: true }), value: t.string({ required: true }) }),
})

const WebhookRecipientInput = builder.inputType('WebhookRecipientInput', {
  description: 'A place that takes messages as signed HTTP requests (Standard Webhooks 1.0).',
  fields: (t) => ({ url: t.string({ required: true }), headers: t.field({ type: [HeaderInput] }) }),
})

const TenantRecipientInput = builder.inputType('TenantRecipientInput', {
  description: 'The members of a tenant.',
  fields: (t) => ({
    id: t.id({ required: true }),
    includeDescendants: t.boolean({
      required: true,
      defaultValue: false,
      description: 'And those of the tenants below it, each person once.',
    }),
  }),
})

const RecipientInput = builder.inputType('RecipientInput', {
  description:
    'One recipient, of one kind. A person: userId, or an address (email, phoneNumber, deviceTokens, or one in profile; several are one person). A group: listId, listPattern, audienceId or tenant. Or a place: webhook.',
  fields: (t) => ({
    userId: t.id({ description: 'One that is not known is made.' }),
    email: t.string({ description: 'Beside a userId, addresses go over the stored ones.' }),
    phoneNumber: t.string({ description: 'With + and its country code.' }),
    deviceTokens: t.field({ type: [DeviceTokenInput], description: 'Instead of the stored ones.' }),
    listId: t.id(),
    listPattern: t.string({ description: '`*` is one part of an id, `**` at its end one or more.' }),
    audienceId: t.id(),
    tenant: t.field({ type: TenantRecipientInput, description: 'Every member of a tenant, in its context.' }),
    webhook: t.field({ type: WebhookRecipientInput }),
    profile: t.field({
      type: 'JSONObject',
      description: 'Merged over the stored profile for this send; stored where the user is new.',
    }),
    data: t.field({ type: 'JSONObject', description: "Merged over the request's data." }),
    preferences: t.field({ type: [TopicPreferenceInput], description: 'Over the stored preferences, for this send.' }),
    tenantId: t.id({ description: "The tenant whose context holds for this recipient, over the request's. It is not a target." }),
    locale: t.string({ description: 'A language tag (BCP 47).' }),
    timezone: t.field({ type: 'TimeZone' }),
  }),
})

const ContentInput = builder.inputType('ContentInput', {
  description: 'What the message says. At least one of title and body.',
  fields: (t) => ({ title: t.string(), body: t.string() }),
})

const MetadataInput = builder.inputType('MetadataInput', {
  description: 'For finding messages again: at most 9 tags of at most 30 characters.',
  fields: (t) => ({ event: t.string(), tags: t.stringList(), traceId: t.string() }),
})

export const SendInput = builder.inputType('SendInput', {
  description: 'What to send, and to whom.',
  fields: (t) => ({
    to: t.field({ type: [RecipientInput], required: true }),
    content: t.field({ type: ContentInput, description: 'Exactly one of content and template.' }),
    template: t.id({ description: "A template's id. An unknown one is an error of status 404." }),
    data: t.field({ type: 'JSONObject' }),
    brandId: t.id({ description: "Over the tenant's brand." }),
    tenantId: t.id({
      description: 'The tenant whose brand, default preferences and profile hold for every recipient.',
    }),
    locale: t.string({ description: 'A language tag (BCP 47).' }),
    topicId: t.id({ description: 'What the message is about: whoever opted out of it does not get the message.' }),
    metadata: t.field({ type: MetadataInput }),
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
