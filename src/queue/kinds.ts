import { z } from 'zod'

/** Lanes have slots of their own, so that no kind of work can starve another. */
export const LANES = ['single', 'bulk', 'webhook', 'upkeep'] as const
export type Lane = (typeof LANES)[number]

/** The kinds of work and what each job of it carries: ids, never content. delivery performs them; app.ts joins the two. */
export const JOB_KINDS = {
  /** Plans, renders and delivers one message, or goes on where an earlier try left off. */
  deliver: { lane: 'single', payload: z.object({ environmentId: z.string(), messageId: z.string() }) },
  /** Finds the members of a request's groups and makes their messages, page by page. */
  expand: { lane: 'bulk', payload: z.object({ environmentId: z.string(), requestId: z.string() }) },
  /** Makes the messages of a bulk job's users, page by page, or those that are sent again. */
  fanOut: { lane: 'bulk', payload: z.object({ environmentId: z.string(), jobId: z.string() }) },
  /**
   * Calls an endpoint for one event. Enqueued by a trigger on message, in the transaction that changed the status; or by hand,
   * after `since` calls, which count no more.
   */
  webhook: {
    lane: 'webhook',
    payload: z.object({ environmentId: z.string(), deliveryId: z.string(), since: z.int().default(0) }),
  },
  /** Cancels the messages of a canceled request that its command left. jobId: of the bulk job whose they are, held back until then. */
  cancel: {
    lane: 'bulk',
    payload: z.object({ environmentId: z.string(), requestId: z.string(), jobId: z.string().optional() }),
  },
} as const satisfies Record<string, { lane: Lane; payload: z.ZodType }>

export type JobKindName = keyof typeof JOB_KINDS
export type Payload<K extends JobKindName> = z.infer<(typeof JOB_KINDS)[K]['payload']>

/** Work to be written in the transaction that makes it necessary. */
export interface NewJob<K extends JobKindName = JobKindName> {
  readonly kind: K
  readonly payload: Payload<K>
  /** Whom the claim is fair to: environment and tenant. */
  readonly fairnessKey: string
  /** Absent: the kind's own lane. */
  readonly lane?: Lane
  /** Absent: now, by the database's clock. */
  readonly runAt?: Date
}

/** The key of a job that is done for an environment, or for one of its tenants. */
export function fairnessOf(environmentId: string, tenantId: string | null): string {
  return tenantId === null ? environmentId : `${environmentId}\n${tenantId}`
}

/** The key of what is done for a bulk job, whoever its messages are for: its fan-out stands in line behind what it placed. */
export function fairnessOfJob(environmentId: string, jobId: string): string {
  return `${environmentId}\nbulk\n${jobId}`
}

/** What waits for whom: all that a lane has under one fairness key. */
export interface Line {
  readonly lane: Lane
  readonly fairnessKey: string
}

/** The messages of a bulk job that wait for their turn, and its fan-out. */
export function lineOfJob(environmentId: string, jobId: string): Line {
  return { lane: 'bulk', fairnessKey: fairnessOfJob(environmentId, jobId) }
}

/** A job in this process's hands. The fence is what makes its results count: another claim raises it. */
export interface Held {
  readonly id: number
  readonly fence: number
}

export interface Claimed<K extends JobKindName = JobKindName> extends Held {
  readonly kind: K
  readonly lane: Lane
  readonly payload: Payload<K>
}

/** What a performer is given beside its payload. */
export interface Work {
  readonly job: Held
  readonly lane: Lane
  /** Whether this process's lease still runs, by the monotonic clock: ask right before each call to the outside. */
  holdsLease(): boolean
  /** Aborted when the process drains past its deadline or has lost its lease. */
  readonly signal: AbortSignal
  /**
   * Lets another job of the lane begin, since this one mostly waits from here on. It stays this process's and is waited for
   * as before. Once is enough. Where very many are out of their slots already, it keeps its own.
   */
  leaveSlot(): void
  /** The job was put back for so long: the lane looks for it then, not only when it looks by itself. */
  comesBack(afterMs: number): void
}

/**
 * Performs a kind of job. It settles its job itself (settle or postpone, in the transaction that records its result).
 * What it throws is a fault of ours: the job is put back with a delay.
 */
export type Perform<K extends JobKindName = JobKindName> = (payload: Payload<K>, work: Work) => Promise<void>
export type Performers = { readonly [K in JobKindName]: Perform<K> }
