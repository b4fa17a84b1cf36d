import { putEnvironment } from '../domain/environment.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, run } from './context.ts'

const OF_AN_ENVIRONMENT = may({ key: ['CONFIG_READ', 'CONFIG_WRITE'] })

const Environment = builder.prismaObject('Environment', {
  description: 'A world of its own: nothing in it is seen from another. A key opens exactly one.',
  authScopes: OF_AN_ENVIRONMENT,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const EnvironmentInput = builder.inputType('EnvironmentInput', {
  description: 'What an environment is called.',
  fields: (t) => ({ name: t.string({ required: true }) }),
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
    description: 'Makes an environment with a log of its own, or renames it.',
    authScopes: may({ key: ['ADMIN'] }),
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: EnvironmentInput, required: true }) },
    resolve: async (query, _root, { id, input }, context) => {
      await run(context, 'putEnvironment', putEnvironment, { id, ...input })
      return context.graph.prisma.environment.findUniqueOrThrow({ ...query, where: { id } })
    },
  }),
}))
