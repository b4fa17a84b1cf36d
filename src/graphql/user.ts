import { deleteDeviceToken, putDeviceToken, standingOf } from '../domain/device-token.ts'
import { deleteUser } from '../domain/erase.ts'
import { mergeProfile, patchProfile, replaceProfile } from '../domain/user.ts'
import { userOf } from '../domain/visibility.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, keyset, page } from './connection.ts'
import { actorOf, run } from './context.ts'
import { DeviceTokenStatus } from './enums.ts'
import { MessageConnection, messagePage } from './message.ts'
import { byId, found } from './row.ts'

const OF_A_USER = may({
  key: ['USERS_READ', 'USERS_WRITE'],
  token: ['INBOX_READ', 'PREFERENCES_READ', 'DEVICE_TOKENS_WRITE', 'MESSAGES_READ'],
})

const STANDING = { status: true, statusReason: true, expiresAt: true } as const

const DeviceToken = builder.prismaObject('DeviceToken', {
  description: "A user's push token.",
  authScopes: may({ key: ['USERS_READ', 'USERS_WRITE'], token: ['DEVICE_TOKENS_WRITE'] }),
  fields: (t) => ({
    id: t.exposeID('id'),
    token: t.exposeString('token'),
    kind: t.exposeString('kind'),
    providerId: t.exposeID('providerId', { nullable: true }),
    status: t.field({
      type: DeviceTokenStatus,
      select: STANDING,
      resolve: (token, _args, { graph }) => standingOf(token, graph.now()).status,
    }),
    statusReason: t.string({
      nullable: true,
      select: STANDING,
      resolve: (token, _args, { graph }) => standingOf(token, graph.now()).statusReason,
    }),
    device: t.expose('device', { type: 'JSONObject', nullable: true }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
  }),
})

export const User = builder.prismaObject('User', {
  description: 'Someone who gets messages.',
  authScopes: OF_A_USER,
  fields: (t) => ({
    id: t.exposeID('id'),
    profile: t.expose('profile', {
      type: 'JSONObject',
      description:
        "OpenID Connect's names where one fits (email, phone_number, locale, zoneinfo, …), slack, ms_teams, discord and telegram, which are checked; everything else is the caller's own.",
    }),
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

const UserConnection = connectionOf<typeof User.$inferType>('User', User)

const WebPushKeysInput = builder.inputType('WebPushKeysInput', {
  description: "A web push subscription's keys (RFC 8291), base64url.",
  fields: (t) => ({ p256dh: t.string({ required: true }), auth: t.string({ required: true }) }),
})

export const DeviceTokenInput = builder.inputType('DeviceTokenInput', {
  description: 'A push token of a device.',
  fields: (t) => ({
    token: t.string({ required: true, description: "A push token; for web push, the subscription's endpoint." }),
    keys: t.field({ type: WebPushKeysInput, description: "For web push: the subscription's keys. Never returned." }),
    kind: t.string({ required: true, description: 'The provider kind that it belongs to: webpush, …' }),
    providerId: t.id({ description: 'Only for this account of the kind.' }),
    device: t.field({ type: 'JSONObject' }),
    expiresAt: t.field({ type: 'DateTime', description: 'In the future. Absent: it does not expire.' }),
  }),
})

const JsonPatchOp = builder.enumType('JsonPatchOp', {
  description: 'What an operation of a JSON Patch does (RFC 6902, section 4).',
  values: ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const,
})

const JsonPatchInput = builder.inputType('JsonPatchInput', {
  description: 'One operation of a JSON Patch (RFC 6902).',
  fields: (t) => ({
    op: t.field({ type: JsonPatchOp, required: true }),
    path: t.string({ required: true, description: 'A JSON Pointer (RFC 6901); empty: the whole profile.' }),
    value: t.field({ type: 'JSON', description: 'For add, replace and test; null counts.' }),
    from: t.string({ description: 'For move and copy: a JSON Pointer.' }),
  }),
})

builder.queryFields((t) => ({
  user: t.prismaField({
    type: User,
    nullable: true,
    description: 'Null where there is no such user.',
    authScopes: may({ key: ['USERS_READ', 'USERS_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) => context.graph.prisma.user.findFirst({ ...query, ...byId(context, id) }),
  }),
  users: t.field({
    type: UserConnection,
    description: "By id. search: occurs, whatever its case, in the id, or in the profile's email, name or phone_number.",
    authScopes: may({ key: ['USERS_READ', 'USERS_WRITE'] }),
    args: { search: t.arg.string(), first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, { search, ...args }, context) => {
      const { environmentId } = actorOf(context)
      const places = keyset<typeof User.$inferType>(context, 'users', (user) => [user.id])
      return page(places, args, async (after, take) => {
        const found = await context.graph.reads.findUsers(environmentId, search ?? null, after?.[0] ?? null, take)
        return found as (typeof User.$inferType)[]
      })
    },
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
      return found(context.graph.prisma.user.findFirst({ ...query, ...byId(context, value.id) }), 'user', value.id)
    },
  }),
  replaceProfile: t.prismaField({
    type: User,
    description: 'Replaces the whole profile; creates the user when missing.',
    authScopes: may({ key: ['USERS_WRITE'] }),
    args: { userId: t.arg.id({ required: true }), profile: t.arg({ type: 'JSONObject', required: true }) },
    resolve: async (query, _root, args, context) => {
      const { value } = await run(context, 'replaceProfile', replaceProfile, args)
      return found(context.graph.prisma.user.findFirst({ ...query, ...byId(context, value.id) }), 'user', value.id)
    },
  }),
  patchProfile: t.prismaField({
    type: User,
    description: 'Applies an RFC 6902 JSON Patch to the profile of a user who is there, all or nothing.',
    authScopes: may({ key: ['USERS_WRITE'] }),
    args: { userId: t.arg.id({ required: true }), patch: t.arg({ type: [JsonPatchInput], required: true }) },
    resolve: async (query, _root, args, context) => {
      const { value } = await run(context, 'patchProfile', patchProfile, args)
      return found(context.graph.prisma.user.findFirst({ ...query, ...byId(context, value.id) }), 'user', value.id)
    },
  }),
  deleteUser: t.boolean({
    description:
      'Removes the user and every piece of personal data kept about them, and cancels what is still to be sent; counts and statuses stay. False where there was nothing.',
    authScopes: may({ key: ['USERS_WRITE'] }),
    args: { userId: t.arg.id({ required: true }) },
    resolve: async (_root, args, context) => (await run(context, 'deleteUser', deleteUser, args)).value,
  }),
  putDeviceToken: t.prismaField({
    type: DeviceToken,
    description: 'Keeps a push token of a user, or makes it ACTIVE again. A user keeps the newest 20.',
    authScopes: may({ key: ['USERS_WRITE'], token: ['DEVICE_TOKENS_WRITE'] }),
    args: { userId: t.arg.id(), input: t.arg({ type: DeviceTokenInput, required: true }) },
    resolve: async (query, _root, args, context) => {
      const userId = userOf(actorOf(context), args.userId)
      const { value } = await run(context, 'putDeviceToken', putDeviceToken, { userId, input: args.input })
      return found(context.graph.prisma.deviceToken.findFirst({ ...query, ...byId(context, value.id) }), 'user', userId)
    },
  }),
  deleteDeviceToken: t.boolean({
    description: 'Forgets a push token, of whichever kind. False where there was none.',
    authScopes: may({ key: ['USERS_WRITE'], token: ['DEVICE_TOKENS_WRITE'] }),
    args: { userId: t.arg.id(), token: t.arg.string({ required: true }) },
    resolve: async (_root, args, context) => {
      const userId = userOf(actorOf(context), args.userId)
      return (await run(context, 'deleteDeviceToken', deleteDeviceToken, { userId, token: args.token })).value
    },
  }),
}))
