import { cancelBulkJob, createBulkJob, pauseBulkJob, resumeBulkJob, retryBulkJob, runBulkJob } from '../domain/bulk-job.ts'
import { cleanBulkUsers } from '../domain/bulk-user.ts'
import type { Command } from '../domain/command.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { AddBulkUsersPayload, BulkJob, readBulkJob } from './bulk.ts'
import { actorOf, type Context, keyOf, run } from './context.ts'
import { RecipientInput } from './recipient.ts'
import { found } from './row.ts'
import { messageFields } from './send.ts'

const MessageInput = builder.inputType('MessageInput', {
  description: "SendInput without its recipients: what every user gets. A user's own data goes over this data.",
  fields: messageFields,
})

const CreateBulkJobInput = builder.inputType('CreateBulkJobInput', {
  description: 'What to send to every user of the job.',
  fields: (t) => ({ message: t.field({ type: MessageInput, required: true }), idempotencyKey: t.string() }),
})

const BulkUserInput = builder.inputType('BulkUserInput', {
  description: 'to: a person or a place; a group is refused.',
  fields: (t) => ({ to: t.field({ type: RecipientInput, required: true }) }),
})

const foundJob = (context: Context, id: string) => found(readBulkJob(context, id), 'bulk job', id)

builder.mutationFields((t) => {
  const step = (name: string, description: string, command: Command<{ readonly id: string }, string>) =>
    t.field({
      type: BulkJob,
      description,
      authScopes: may({ key: ['BULK_WRITE'] }),
      args: { id: t.arg.id({ required: true }) },
      resolve: async (_root, { id }, context) => foundJob(context, (await run(context, name, command, { id })).value),
    })
  return {
    createBulkJob: t.field({
      type: BulkJob,
      description: 'Create → add users (any number of calls) → run once → watch.',
      authScopes: may({ key: ['BULK_WRITE'] }),
      args: { input: t.arg({ type: CreateBulkJobInput, required: true }) },
      resolve: async (_root, { input: { message, idempotencyKey } }, context) => {
        const made = await run(context, 'createBulkJob', createBulkJob, message, idempotencyKey, ['input', 'idempotencyKey'])
        return foundJob(context, made.value)
      },
    }),
    addBulkUsers: t.field({
      type: AddBulkUsersPayload,
      description: 'Partial success: what was refused comes back in errors, the rest is ingested.',
      authScopes: may({ key: ['BULK_WRITE'] }),
      extensions: { clean: cleanBulkUsers },
      args: {
        jobId: t.arg.id({ required: true }),
        users: t.arg({ type: [BulkUserInput], required: true }),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_root, { idempotencyKey, ...input }, context) => {
        const key = keyOf(context, 'addBulkUsers', input, idempotencyKey)
        const added = await context.graph.addBulkUsers(actorOf(context), input, key)
        return { ...added.value, job: await foundJob(context, input.jobId) }
      },
    }),
    runBulkJob: step('runBulkJob', 'Starts the job. A job runs once: a second call is an error of status 409.', runBulkJob),
    pauseBulkJob: step('pauseBulkJob', 'Makes no further message for now; what waits for its turn waits on.', pauseBulkJob),
    resumeBulkJob: step('resumeBulkJob', 'Goes on where it was paused, or given up.', resumeBulkJob),
    cancelBulkJob: step('cancelBulkJob', 'Makes no further message, and cancels those that can still be stopped.', cancelBulkJob),
    retryBulkJob: step('retryBulkJob', 'Sends again to those of a COMPLETED job whose message failed.', retryBulkJob),
  }
})
