import { type Account, accountsOf, catalogOf, type ProviderKind as Kind } from '../domain/account.ts'
import { deleteProvider, putProvider } from '../domain/provider.ts'
import { may, OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, type Context, run } from './context.ts'
import { Channel, ProviderHealth, UnknownPolicy } from './enums.ts'
import { found } from './row.ts'

const Provider = builder.objectRef<Account>('Provider').implement({
  description: 'One configured account of one provider.',
  authScopes: may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] }),
  fields: (t) => ({
    id: t.exposeID('id'),
    kind: t.exposeString('kind'),
    channel: t.expose('channel', { type: Channel }),
    name: t.exposeString('name', { nullable: true }),
    settings: t.expose('settings', { type: 'JSONObject', description: 'Secrets masked.' }),
    priority: t.exposeInt('priority'),
    enabled: t.exposeBoolean('enabled'),
    onUnknown: t.expose('onUnknown', { type: UnknownPolicy }),
    health: t.expose('health', { type: ProviderHealth }),
    lastError: t.exposeString('lastError', { nullable: true }),
    callbackUrl: t.string({
      nullable: true,
      description: 'Where the provider is to report deliveries; null where its kind cannot.',
      resolve: (account, _args, context) => context.graph.callbacks.urlOf(actorOf(context).environmentId, account),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const ProviderKind = builder.objectRef<Kind>('ProviderKind').implement({
  description: 'A provider that this build knows.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    kind: t.exposeString('kind'),
    channel: t.expose('channel', { type: Channel }),
    name: t.exposeString('name'),
    settingsSchema: t.expose('settingsSchema', { type: 'JSONObject', description: 'JSON Schema; secrets are writeOnly.' }),
  }),
})

const ProviderInput = builder.inputType('ProviderInput', {
  description: 'A whole account: what is left out takes its default.',
  fields: (t) => ({
    kind: t.string({ required: true }),
    name: t.string(),
    settings: t.field({
      type: 'JSONObject',
      required: true,
      description: 'Secrets are encrypted at rest and never returned; one left out keeps its stored value.',
    }),
    priority: t.int({ required: true, defaultValue: 0, description: 'Order among the providers of a channel; lower first.' }),
    enabled: t.boolean({ required: true, defaultValue: true }),
    onUnknown: t.field({ type: UnknownPolicy, description: 'Absent: FAIL for SMS, RESEND for the rest.' }),
  }),
})

async function accounts(context: Context): Promise<readonly Account[]> {
  const { environmentId } = actorOf(context)
  return accountsOf(await context.graph.reads.readProviders(environmentId), context.graph.builtIns, environmentId)
}

async function readAccount(context: Context, id: string): Promise<Account | null> {
  return (await accounts(context)).find((account) => account.id === id) ?? null
}

builder.queryFields((t) => ({
  provider: t.field({
    type: Provider,
    nullable: true,
    description: 'Null where there is no such account.',
    authScopes: may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => readAccount(context, id),
  }),
  providers: t.field({
    type: [Provider],
    description: 'In the order in which a channel tries them.',
    authScopes: may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] }),
    args: { channel: t.arg({ type: Channel }) },
    resolve: async (_root, { channel }, context) =>
      (await accounts(context)).filter((account) => channel == null || account.channel === channel),
  }),
  providerCatalog: t.field({
    type: [ProviderKind],
    description: 'What can be configured: every provider this build knows, with its settings as JSON Schema.',
    authScopes: may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] }),
    args: { channel: t.arg({ type: Channel }) },
    resolve: (_root, { channel }, { graph }) =>
      catalogOf(graph.providers).filter((kind) => channel == null || kind.channel === channel),
  }),
  webPushPublicKey: t.string({
    nullable: true,
    description: 'The VAPID key that a browser subscribes with; null where web push is not configured.',
    authScopes: OF_ITS_FIELD,
    resolve: async (_root, _args, context) => {
      const account = (await accounts(context)).find(({ kind, enabled }) => kind === 'webpush' && enabled)
      return (account?.settings.publicKey as string | undefined) ?? null
    },
  }),
}))

builder.mutationFields((t) => ({
  putProvider: t.field({
    type: Provider,
    description: 'Configures an account of a provider, or replaces the whole of it.',
    authScopes: may({ key: ['CONFIG_WRITE'] }),
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: ProviderInput, required: true }) },
    resolve: async (_root, { id, input }, context) => {
      await run(context, 'putProvider', putProvider, { id, ...input })
      return found(readAccount(context, id), 'provider', id)
    },
  }),
  deleteProvider: t.boolean({
    description: 'False where there was none. An account that exists at start comes back with its first settings.',
    authScopes: may({ key: ['CONFIG_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => (await run(context, 'deleteProvider', deleteProvider, { id })).value,
  }),
}))
