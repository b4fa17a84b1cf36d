import { type AddedBulkUsers, latestMessageOf } from '../domain/bulk-user.ts'
import { isFollower } from '../domain/visibility.ts'
import { BULK_USER_STATUSES, type BulkJobRow, type BulkUserRow } from '../store/bulk.read.ts'
import { may, OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, keyset, page } from './connection.ts'
import { actorOf, type Context } from './context.ts'
import { BulkJobStatus } from './enums.ts'
import { Message } from './message.ts'
import { MessageCounts, Request } from './request.ts'
import { found } from './row.ts'

const KEYS = ['BULK_WRITE', 'MESSAGES_READ'] as const
/** Of its numbers; what it says and to whom is for keys. */
export const OF_A_JOB = may({ key: KEYS, token: ['MESSAGES_READ'] })
const KEYS_ALONE = may({ key: KEYS })

const BulkUserStatus = builder.enumType('BulkUserStatus', {
  description: 'ENQUEUED: there is a message. ERROR: none could be made.',
  values: BULK_USER_STATUSES,
})

/** One user with the message that is the latest. */
export type BulkUserNode = BulkUserRow & { readonly environmentId: string; readonly latestId: string | null }

const BulkUser = builder.objectRef<BulkUserNode>('BulkUser').implement({
  description: 'One recipient of a bulk job.',
  authScopes: KEYS_ALONE,
  fields: (t) => ({
    recipient: t.exposeString('recipient'),
    status: t.expose('status', { type: BulkUserStatus }),
    messageId: t.exposeID('latestId', { nullable: true, description: 'Of the latest message.' }),
    message: t.prismaField({
      type: Message,
      nullable: true,
      resolve: (query, { environmentId, latestId: id }, _args, { graph }) =>
        id === null ? null : graph.prisma.message.findUnique({ ...query, where: { environmentId_id: { environmentId, id } } }),
    }),
    error: t.exposeString('error', { nullable: true }),
  }),
})

const BulkUserConnection = connectionOf<BulkUserNode>('BulkUser', BulkUser)

export const BulkJob = builder.objectRef<BulkJobRow>('BulkJob').implement({
  description: 'One message for many users, who are added before it runs.',
  authScopes: OF_A_JOB,
  fields: (t) => ({
    id: t.exposeID('id'),
    status: t.expose('status', { type: BulkJobStatus }),
    error: t.exposeString('error', { nullable: true }),
    definition: t.field({
      type: 'JSONObject',
      description: 'The message as it was given.',
      authScopes: KEYS_ALONE,
      // Prisma reads those of a list at once.
      resolve: async ({ environmentId, id }, _args, { graph }) => {
        const where = { environmentId_id: { environmentId, id } }
        const { given } = await found(graph.prisma.bulkJob.findUnique({ where, select: { given: true } }), 'bulk job', id)
        return given as Record<string, unknown>
      },
    }),
    request: t.prismaField({
      type: Request,
      nullable: true,
      description: 'The one request of all its messages; null until it runs.',
      resolve: (query, { environmentId, requestId: id }, _args, { graph }) =>
        graph.prisma.request.findUnique({ ...query, where: { environmentId_id: { environmentId, id } } }),
    }),
    received: t.exposeInt('received', { description: 'Users ingested.' }),
    enqueued: t.exposeInt('enqueued', { description: 'Messages placed on the pipeline.' }),
    failures: t.exposeInt('failures', { description: 'Users for whom no message could be made.' }),
    counts: t.expose('counts', { type: MessageCounts, description: "Where the users' latest messages stand now." }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true }),
    users: t.field({
      type: BulkUserConnection,
      description: 'In the order in which they were added.',
      authScopes: KEYS_ALONE,
      args: {
        status: t.arg({ type: BulkUserStatus }),
        first: t.arg.int({ defaultValue: 50 }),
        after: t.arg.string(),
      },
      resolve: (job, { status, ...args }, context) =>
        page(
          keyset<BulkUserNode>(context, `bulkJob/${job.id}`, ({ position }) => [String(position)]),
          args,
          async (after, take) => {
            const users = await context.graph.reads.readBulkUsers(job, status ?? null, Number(after?.[0] ?? 0), take)
            return users.map((user) => ({ ...user, environmentId: job.environmentId, latestId: latestMessageOf(job, user) }))
          },
        ),
    }),
  }),
})

const BulkJobConnection = connectionOf<BulkJobRow>('BulkJob', BulkJob)

const BulkUserError = builder.objectRef<AddedBulkUsers['errors'][number]>('BulkUserError').implement({
  description:
    "index: the position in the call's users. error: in words; code: for programs, DUPLICATE_USER for one who is in the job.",
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    index: t.exposeInt('index'),
    code: t.exposeString('code'),
    error: t.exposeString('error'),
    recipient: t.exposeString('recipient', { nullable: true }),
  }),
})

export const AddBulkUsersPayload = builder
  .objectRef<AddedBulkUsers & { readonly job: BulkJobRow }>('AddBulkUsersPayload')
  .implement({
    description: 'Who was added and who was not.',
    authScopes: OF_ITS_FIELD,
    fields: (t) => ({
      job: t.field({ type: BulkJob, resolve: ({ job }) => job }),
      total: t.exposeInt('total', { description: 'How many were ingested by this call.' }),
      errors: t.field({ type: [BulkUserError], resolve: ({ errors }) => errors }),
    }),
  })

/** Null where there is none, and where it is none that whoever asks may follow. */
export async function readBulkJob(context: Context, id: string): Promise<BulkJobRow | null> {
  const actor = actorOf(context)
  if (!isFollower(actor, id)) return null
  const [job] = await context.graph.reads.readBulkJobs([{ environmentId: actor.environmentId, id }])
  return job ?? null
}

builder.queryFields((t) => ({
  bulkJob: t.field({
    type: BulkJob,
    nullable: true,
    description: 'Null where there is no such job.',
    authScopes: OF_A_JOB,
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => readBulkJob(context, id),
  }),
  bulkJobs: t.field({
    type: BulkJobConnection,
    description: 'Newest first.',
    authScopes: KEYS_ALONE,
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, args, context) =>
      page(
        keyset<BulkJobRow>(context, 'bulkJobs', ({ createdAt, id }) => [createdAt.toISOString(), id]),
        args,
        (after, take) =>
          context.graph.reads.readNewestBulkJobs(
            actorOf(context).environmentId,
            after && { at: new Date(after[0]!), id: after[1]! },
            take,
          ),
      ),
  }),
}))
