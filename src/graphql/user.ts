import { putDeviceToken } from '../domain/device-token.ts'
import { mergeProfile } from '../domain/user.ts'
import { userOf } from '../domain/visibility.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, run } from './context.ts'
import { DeviceTokenStatus } from './enums.ts'
import { MessageConnection, messagePage } from './message.ts'

const OF_A_USER = may({
  key: ['USERS_READ', 'USERS_WRITE'],
  token: ['INBOX_READ', 'PREFERENCES_READ', 'DEVICE_TOKENS_WRITE', 'MESSAGES_READ'],
})

const DeviceToken = builder.prismaObject('DeviceToken', {
  description: "A user's push token.",
  authScopes: may({ key: ['USERS_READ', 'USERS_WRITE'], token: ['DEVICE_TOKENS_WRITE'] }),
  fields: (t) => ({
    id: t.exposeID('id'),
    token: t.exposeString('token'),
    kind: t.exposeString('kind'),
    providerId: t.exposeID('providerId', { nullable: true }),
    status: t.expose('status', { type: DeviceTokenStatus }),
    statusReason: t.exposeString('statusReason', { nullable: true }),
    device: t.expose('device', { type: 'JSONObject', nullable: true }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
  }),
})

export const User = builder.prismaObject('User', {
  description: 'Someone who gets messages.',
  authScopes: OF_A_USER,
  fields: (t) => ({
    id: t.exposeID('id'),
    profile: t.expose('profile', { type: 'JSONObject', description: "email is checked; everything else is the caller's own." }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
    deviceTokens: t.relation('deviceTokens', { type: DeviceToken, query: { orderBy: { id: 'asc' } } }),
    messages: t.field({
      type: MessageConnection,
      authScopes: may({ key: ['MESSAGES_READ'], token: ['MESSAGES_READ'] }),
      args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
      select: { id: true },
      resolve: (user, args, context) => messagePage(context, `user/${user.id}`, args, { userId: user.id }),
    }),
  }),
})

const WebPushKeysInput = builder.inputType('WebPushKeysInput', {
  description: "A web push subscription's keys (RFC 8291), base64url.",
  fields: (t) => ({ p256dh: t.string({ required: true }), auth: t.string({ required: true }) }),
})

const DeviceTokenInput = builder.inputType('DeviceTokenInput', {
  description: 'A push token of a device.',
  fields: (t) => ({
    token: t.string({ required: true, description: "A push token; for web push, the subscription's endpoint." }),
    keys: t.field({ type: WebPushKeysInput, description: "For web push: the subscription's keys. Never returned." }),
    kind: t.string({ required: true, description: 'The provider kind that it belongs to: webpush, …' }),
    providerId: t.id({ description: 'Only for this account of the kind.' }),
    device: t.field({ type: 'JSONObject' }),
    expiresAt: t.field({ type: 'DateTime' }),
  }),
})

builder.queryFields((t) => ({
  user: t.prismaField({
    type: User,
    nullable: true,
    description: 'Null where there is no such user.',
    authScopes: may({ key: ['USERS_READ', 'USERS_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) =>
      context.graph.prisma.user.findFirst({ ...query, where: { environmentId: actorOf(context).environmentId, id } }),
  }),
  viewer: t.prismaField({
    type: User,
    nullable: true,
    description: 'The user of the token that asks; null where it speaks for none.',
    authScopes: OF_A_USER,
    resolve: (query, _root, _args, context) => {
      const actor = actorOf(context)
      if (actor.kind !== 'token' || actor.userId === null) return null
      return context.graph.prisma.user.findFirst({ ...query, where: { environmentId: actor.environmentId, id: actor.userId } })
    },
  }),
}))

builder.mutationFields((t) => ({
  mergeProfile: t.prismaField({
    type: User,
    description: 'Deep-merges into the stored profile; creates the user when missing.',
    authScopes: may({ key: ['USERS_WRITE'] }),
    args: { userId: t.arg.id({ required: true }), profile: t.arg({ type: 'JSONObject', required: true }) },
    resolve: async (query, _root, args, context) => {
      const { value } = await run(context, 'mergeProfile', mergeProfile, args)
      return context.graph.prisma.user.findFirstOrThrow({
        ...query,
        where: { environmentId: actorOf(context).environmentId, id: value.id },
      })
    },
  }),
  putDeviceToken: t.prismaField({
    type: DeviceToken,
    description: 'Keeps a push token of a user, or makes it ACTIVE again. A user keeps the newest 20.',
    authScopes: may({ key: ['USERS_WRITE'], token: ['DEVICE_TOKENS_WRITE'] }),
    args: { userId: t.arg.id(), input: t.arg({ type: DeviceTokenInput, required: true }) },
    resolve: async (query, _root, args, context) => {
      const userId = userOf(actorOf(context), args.userId)
      const { value } = await run(context, 'putDeviceToken', putDeviceToken, { userId, input: args.input })
      return context.graph.prisma.deviceToken.findFirstOrThrow({
        ...query,
        where: { environmentId: actorOf(context).environmentId, id: value.id },
      })
    },
  }),
}))
