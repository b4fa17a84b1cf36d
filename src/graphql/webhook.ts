import {
  deleteWebhookEndpoint,
  type PutWebhookEndpoint,
  putWebhookEndpoint,
  resendWebhookDelivery,
  rotateWebhookSecret,
} from '../domain/webhook-endpoint.ts'
import type { WebhookDeliveryRow } from '../store/webhook.read.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, keyset, page } from './connection.ts'
import { actorOf, run } from './context.ts'
import { WebhookDeliveryStatus } from './enums.ts'
import { Attempt } from './message.ts'
import { byId, found } from './row.ts'

const OF_AN_ENDPOINT = may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] })
const FOR_EDITORS = may({ key: ['CONFIG_WRITE'] })

const WebhookDelivery = builder.objectRef<WebhookDeliveryRow>('WebhookDelivery').implement({
  description: 'One event for one endpoint; id is the webhook-id of every attempt.',
  authScopes: OF_AN_ENDPOINT,
  fields: (t) => ({
    id: t.exposeID('id'),
    event: t.exposeString('event'),
    payload: t.expose('payload', { type: 'JSONObject', description: 'The body that is sent.' }),
    status: t.expose('status', { type: WebhookDeliveryStatus }),
    attempts: t.field({ type: [Attempt], description: 'Oldest first.', resolve: ({ attempts }) => attempts as never }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    nextAttemptAt: t.expose('nextAttemptAt', { type: 'DateTime', nullable: true }),
  }),
})

const WebhookDeliveryConnection = connectionOf<WebhookDeliveryRow>('WebhookDelivery', WebhookDelivery)

const WebhookEndpoint = builder.prismaObject('WebhookEndpoint', {
  description: 'A URL of the operator’s own that is told what happens.',
  authScopes: OF_AN_ENDPOINT,
  // What is not named is not read: its secrets.
  select: { id: true },
  fields: (t) => ({
    id: t.exposeID('id'),
    url: t.exposeString('url'),
    events: t.exposeStringList('events'),
    enabled: t.exposeBoolean('enabled'),
    disabledReason: t.exposeString('disabledReason', {
      nullable: true,
      description: 'Why it was disabled, where nobody asked for it.',
    }),
    description: t.exposeString('description', { nullable: true }),
    deliveries: t.field({
      type: WebhookDeliveryConnection,
      description: 'Newest first.',
      args: {
        status: t.arg({ type: WebhookDeliveryStatus }),
        first: t.arg.int({ defaultValue: 20 }),
        after: t.arg.string(),
      },
      resolve: ({ id }, { status = null, ...args }, context) => {
        const of = { environmentId: actorOf(context).environmentId, endpointId: id, status }
        const places = keyset<WebhookDeliveryRow>(context, `webhookEndpoint/${id}/deliveries/${status}`, (row) => [
          row.createdAt.toISOString(),
          row.id,
        ])
        return page(places, args, (after, take) =>
          context.graph.reads.readWebhookDeliveries(of, after && { at: after[0]!, id: after[1]! }, take),
        )
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const WebhookEndpointPayload = builder.objectRef<PutWebhookEndpoint>('WebhookEndpointPayload').implement({
  description: 'secret: only where this call made one.',
  authScopes: OF_AN_ENDPOINT,
  fields: (t) => ({
    endpoint: t.prismaField({
      type: WebhookEndpoint,
      resolve: (query, { id }, _args, context) =>
        found(context.graph.prisma.webhookEndpoint.findFirst({ ...query, ...byId(context, id) }), 'webhook endpoint', id),
    }),
    secret: t.exposeString('secret', { nullable: true }),
  }),
})

const WebhookEndpointInput = builder.inputType('WebhookEndpointInput', {
  description: 'A whole endpoint but for its secret: what is left out takes its default.',
  fields: (t) => ({
    url: t.string({ required: true, description: 'https on port 443 of a public host.' }),
    events: t.stringList({ required: true, defaultValue: ['message:updated'] }),
    enabled: t.boolean({ required: true, defaultValue: true }),
    description: t.string(),
  }),
})

builder.queryFields((t) => ({
  webhookEndpoint: t.prismaField({
    type: WebhookEndpoint,
    nullable: true,
    description: 'Null where there is no such endpoint.',
    authScopes: OF_AN_ENDPOINT,
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) =>
      context.graph.prisma.webhookEndpoint.findFirst({ ...query, ...byId(context, id) }),
  }),
  webhookEndpoints: t.prismaField({
    type: [WebhookEndpoint],
    description: 'By id.',
    authScopes: OF_AN_ENDPOINT,
    resolve: (query, _root, _args, context) =>
      context.graph.prisma.webhookEndpoint.findMany({
        ...query,
        where: { environmentId: actorOf(context).environmentId },
        orderBy: { id: 'asc' },
      }),
  }),
}))

builder.mutationFields((t) => ({
  putWebhookEndpoint: t.field({
    type: WebhookEndpointPayload,
    description:
      'Makes an endpoint, or replaces it; then its secret stays. Enabled, it starts anew: that it failed is forgotten.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: WebhookEndpointInput, required: true }) },
    resolve: async (_root, { id, input }, context) =>
      (await run(context, 'putWebhookEndpoint', putWebhookEndpoint, { id, ...input })).value,
  }),
  deleteWebhookEndpoint: t.boolean({
    description: 'With its deliveries, for good: what waits is not delivered any more. False where there was none.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, args, context) => (await run(context, 'deleteWebhookEndpoint', deleteWebhookEndpoint, args)).value,
  }),
  rotateWebhookSecret: t.field({
    type: WebhookEndpointPayload,
    description:
      'A new secret; the old one keeps signing beside it for the overlap: at most seven days, one where none is given.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }), overlap: t.arg({ type: 'Duration' }) },
    resolve: async (_root, args, context) => (await run(context, 'rotateWebhookSecret', rotateWebhookSecret, args)).value,
  }),
  resendWebhookDelivery: t.field({
    type: WebhookDelivery,
    description: 'Calls the endpoint again, with the same webhook-id.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await run(context, 'resendWebhookDelivery', resendWebhookDelivery, { id })
      const { environmentId } = actorOf(context)
      return found(context.graph.reads.readWebhookDelivery(environmentId, id), 'webhook delivery', id)
    },
  }),
}))
