import { builder } from './builder.ts'
import { BulkJob, OF_A_JOB } from './bulk.ts'
import { actorOf } from './context.ts'

builder.subscriptionFields((t) => ({
  bulkJobProgress: t.field({
    type: BulkJob,
    description:
      'How a job stands, then how it stands when that has changed, at most four times a second. ' +
      'Ends with the final numbers, once a COMPLETED, CANCELED or ERROR job has no pending message.',
    authScopes: OF_A_JOB,
    args: { id: t.arg.id({ required: true }) },
    subscribe: (_root, { id }, context) => context.graph.bulkWatch.watch(actorOf(context), id, context.signal),
    resolve: (job) => job,
  }),
}))
