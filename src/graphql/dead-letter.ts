import { discardDeadLetters, redriveDeadLetters } from '../domain/dead-letter.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, pageById } from './connection.ts'
import { run } from './context.ts'
import { Message } from './message.ts'

const DeadLetter = builder.prismaObject('DeadLetter', {
  description:
    'Work that was given up after crashing its workers. Its message stands UNDELIVERABLE with reason FAILED until redriven.',
  authScopes: may({ key: ['MESSAGES_READ', 'MESSAGES_WRITE'] }),
  select: { environmentId: true, messageId: true },
  fields: (t) => ({
    id: t.exposeID('id'),
    kind: t.exposeString('kind'),
    message: t.prismaField({
      type: Message,
      nullable: true,
      description: 'Null for work that is not of one message.',
      resolve: (query, { environmentId, messageId }, _args, { graph }) =>
        messageId === null
          ? null
          : graph.prisma.message.findUnique({ ...query, where: { environmentId_id: { environmentId, id: messageId } } }),
    }),
    error: t.exposeString('error'),
    crashes: t.exposeInt('crashes'),
    at: t.expose('at', { type: 'DateTime' }),
  }),
})

const DeadLetterConnection = connectionOf<typeof DeadLetter.$inferType>('DeadLetter', DeadLetter)

builder.queryFields((t) => ({
  deadLetters: t.field({
    type: DeadLetterConnection,
    description: 'Oldest first.',
    authScopes: may({ key: ['MESSAGES_READ', 'MESSAGES_WRITE'] }),
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    // Their ids are in the order of their making.
    resolve: (_root, args, context) =>
      pageById(context, 'deadLetters', args, (range) => context.graph.prisma.deadLetter.findMany(range)),
  }),
}))

builder.mutationFields((t) => ({
  redriveDeadLetters: t.int({
    description:
      'Puts work that was given up back on its way, under the same ids. How many it was: what is not there, was canceled, or whose user was erased is passed over.',
    authScopes: may({ key: ['MESSAGES_WRITE'] }),
    args: { ids: t.arg.idList({ required: true }) },
    resolve: async (_root, { ids }, context) => (await run(context, 'redriveDeadLetters', redriveDeadLetters, { ids })).value,
  }),
  discardDeadLetters: t.int({
    description: 'Forgets work that was given up: its messages stay UNDELIVERABLE. How many it was.',
    authScopes: may({ key: ['MESSAGES_WRITE'] }),
    args: { ids: t.arg.idList({ required: true }) },
    resolve: async (_root, { ids }, context) => (await run(context, 'discardDeadLetters', discardDeadLetters, { ids })).value,
  }),
}))
