import { createApiKey } from '../domain/api-key.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, run } from './context.ts'
import { ApiKeyMode, ApiKeyScope } from './enums.ts'

const FOR_ADMINS = may({ key: ['ADMIN'] })

const ApiKey = builder.prismaObject('ApiKey', {
  description: 'What a backend shows to be let in. prefix: the first characters of the secret, to know it by.',
  authScopes: FOR_ADMINS,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    prefix: t.exposeString('prefix'),
    scopes: t.field({ type: [ApiKeyScope], select: { scopes: true }, resolve: (key) => key.scopes as never }),
    mode: t.expose('mode', { type: ApiKeyMode }),
    environmentId: t.exposeID('environmentId'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
  }),
})

const CreatedApiKey = builder.objectRef<{ id: string; secret: string }>('CreatedApiKey').implement({
  description: 'The only time the secret is shown.',
  authScopes: FOR_ADMINS,
  fields: (t) => ({
    key: t.prismaField({
      type: ApiKey,
      resolve: (query, { id }, _args, { graph }) => graph.prisma.apiKey.findUniqueOrThrow({ ...query, where: { id } }),
    }),
    secret: t.exposeString('secret'),
  }),
})

const CreateApiKeyInput = builder.inputType('CreateApiKeyInput', {
  description: 'environmentId: absent means that of the key that asks.',
  fields: (t) => ({
    name: t.string({ required: true }),
    scopes: t.field({ type: [ApiKeyScope], required: true }),
    mode: t.field({ type: ApiKeyMode, required: true, defaultValue: 'LIVE' }),
    environmentId: t.id(),
    expiresAt: t.field({ type: 'DateTime' }),
  }),
})

builder.queryFields((t) => ({
  apiKeys: t.prismaField({
    type: [ApiKey],
    description: 'Of the environment that the key opens, oldest first.',
    authScopes: FOR_ADMINS,
    resolve: (query, _root, _args, context) =>
      context.graph.prisma.apiKey.findMany({
        ...query,
        where: { environmentId: actorOf(context).environmentId },
        orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
      }),
  }),
}))

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: CreatedApiKey,
    description: 'The secret is returned once and stored only as a hash.',
    authScopes: FOR_ADMINS,
    args: { input: t.arg({ type: CreateApiKeyInput, required: true }) },
    resolve: async (_root, { input }, context) => (await run(context, 'createApiKey', createApiKey, input)).value,
  }),
}))
