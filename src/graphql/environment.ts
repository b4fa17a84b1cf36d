import { putEnvironment } from '../domain/environment.ts'
import { SEND_LIMIT_PERIODS, SEND_LIMIT_SCOPES, type SendLimit as SendLimitShape } from '../domain/send-limit.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, run } from './context.ts'
import { RoutingInput } from './routing.ts'

const OF_AN_ENVIRONMENT = may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] })

const SendLimitScope = builder.enumType('SendLimitScope', {
  description: 'For what a limit counts: all messages, those of each tenant, of each user, of each user about each topic.',
  values: SEND_LIMIT_SCOPES,
})
const SendLimitPeriod = builder.enumType('SendLimitPeriod', {
  description: 'A calendar period in UTC; a week begins on Monday.',
  values: SEND_LIMIT_PERIODS,
})

const SendLimit = builder.objectRef<SendLimitShape>('SendLimit').implement({
  description: 'At most max messages in a calendar period; what is over ends THROTTLED.',
  authScopes: OF_AN_ENVIRONMENT,
  fields: (t) => ({
    scope: t.expose('scope', { type: SendLimitScope }),
    max: t.exposeInt('max'),
    period: t.expose('period', { type: SendLimitPeriod }),
  }),
})

const SendLimitInput = builder.inputType('SendLimitInput', {
  description: 'At most max messages in a calendar period; what is over ends THROTTLED.',
  fields: (t) => ({
    scope: t.field({ type: SendLimitScope, required: true }),
    max: t.int({ required: true }),
    period: t.field({ type: SendLimitPeriod, required: true }),
  }),
})

const Environment = builder.prismaObject('Environment', {
  description: 'A world of its own: nothing in it is seen from another. A key opens exactly one.',
  authScopes: OF_AN_ENVIRONMENT,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    routing: t.expose('routing', {
      type: 'JSONObject',
      nullable: true,
      description: 'Of the shape of RoutingInput: what holds where neither message nor template has one.',
    }),
    sendLimits: t.field({
      type: [SendLimit],
      resolve: ({ sendLimits }) => sendLimits as unknown as readonly SendLimitShape[],
    }),
    trackOpens: t.exposeBoolean('trackOpens'),
    trackClicks: t.exposeBoolean('trackClicks'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const EnvironmentInput = builder.inputType('EnvironmentInput', {
  description: 'A whole environment: what is left out takes its default.',
  fields: (t) => ({
    name: t.string({ required: true }),
    routing: t.field({ type: RoutingInput, description: 'Where neither message nor template has one.' }),
    sendLimits: t.field({
      type: [SendLimitInput],
      required: true,
      defaultValue: [],
      description: 'At most 20, one for each scope and period.',
    }),
    trackOpens: t.boolean({
      required: true,
      defaultValue: false,
      description:
        'Emails bring a picture of one pixel that tells when they are opened. A send or a template may say otherwise. With this or trackClicks, push messages bring a trackingUrl.',
    }),
    trackClicks: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Links of emails lead through this server, which notes the click. A send or a template may say otherwise.',
    }),
  }),
})

builder.queryFields((t) => ({
  environment: t.prismaField({
    type: Environment,
    description: 'The one that the key opens.',
    authScopes: OF_AN_ENVIRONMENT,
    resolve: (query, _root, _args, context) =>
      context.graph.prisma.environment.findUniqueOrThrow({ ...query, where: { id: actorOf(context).environmentId } }),
  }),
  environments: t.prismaField({
    type: [Environment],
    description: 'All of the installation.',
    authScopes: may({ key: ['ADMIN'] }),
    resolve: (query, _root, _args, { graph }) => graph.prisma.environment.findMany({ ...query, orderBy: { id: 'asc' } }),
  }),
}))

builder.mutationFields((t) => ({
  putEnvironment: t.prismaField({
    type: Environment,
    description: 'Makes an environment with a log of its own, or replaces what is said of it.',
    authScopes: may({ key: ['ADMIN'] }),
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: EnvironmentInput, required: true }) },
    resolve: async (query, _root, { id, input }, context) => {
      await run(context, 'putEnvironment', putEnvironment, { id, ...input })
      return context.graph.prisma.environment.findUniqueOrThrow({ ...query, where: { id } })
    },
  }),
}))
