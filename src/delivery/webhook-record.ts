import { lineOfEndpoint } from '../domain/webhook-endpoint.ts'
import { FAILURES_APART_MS, LONGEST_FAILING_MS } from '../domain/webhook-retry.ts'
import { hold, release } from '../queue/hold.ts'
import type { Held } from '../queue/kinds.ts'
import type { Db, Tx } from '../store/database.ts'
import { groupWrites } from '../store/group.ts'
import {
  type BegunWebhook,
  beginWebhooks,
  type DisabledEndpoint,
  dropWebhooks,
  type EndedWebhook,
  type EndpointLine,
  type EndpointNews,
  endWebhooks,
  linesToMove,
  lockWebhooks,
  tellOfEndpoints,
  type WebhookKey,
} from '../store/webhook.ts'
import { holdJobs, letGo } from './record.ts'

/** One entry about the delivery of an event: everything that is to be true at once. */
export interface WebhookEntry {
  readonly job: Held
  /** What becomes of the job: kept for the call, over, or put back for a while by the database's clock. */
  readonly after: 'keep' | 'settle' | { readonly afterMs: number }
  readonly begun?: BegunWebhook
  readonly ended?: EndedWebhook
  readonly news?: EndpointNews
  /** Its endpoint is gone. */
  readonly gone?: WebhookKey
  readonly line?: EndpointLine | undefined
}

/**
 * Writes an entry, together with those of other events that came meanwhile. False: the job was taken over and nothing was
 * written, or the call that was to begin must not be made.
 */
export type WriteWebhook = (entry: WebhookEntry) => Promise<boolean>

const TOO_LONG = {
  ms: LONGEST_FAILING_MS,
  apartMs: FAILURES_APART_MS,
  reason: 'Every call has failed for five days.',
}

export function createWebhookRecord(parts: {
  readonly db: Db
  /** After commit. */
  disabled(endpoint: DisabledEndpoint): void
}): WriteWebhook {
  return groupWrites<WebhookEntry, boolean>(
    async (entries) => {
      const { written, disabled } = await parts.db.transaction().execute((tx) => write(tx, entries))
      for (const endpoint of disabled) parts.disabled(endpoint)
      return entries.map((entry) => written.has(entry))
    },
    // What lets its job go finds no job the second time.
    { maxSize: 200, repeatable: ({ after }) => after !== 'keep' },
  )
}

/** Jobs are locked first, then deliveries, then endpoints, then lines, as by all who lock several of them. */
async function write(
  tx: Tx,
  entries: readonly WebhookEntry[],
): Promise<{ written: ReadonlySet<WebhookEntry>; disabled: readonly DisabledEndpoint[] }> {
  const ours = await holdJobs(tx, entries)
  await letGo(tx, ours)
  await lockWebhooks(
    tx,
    ours.flatMap(({ begun, ended, gone }) => begun ?? ended ?? gone ?? []),
  )
  const noted = await beginWebhooks(
    tx,
    ours.flatMap(({ begun }) => begun ?? []),
  )
  await endWebhooks(
    tx,
    ours.flatMap(({ ended }) => ended ?? []),
  )
  await dropWebhooks(
    tx,
    ours.flatMap(({ gone }) => gone ?? []),
  )
  const disabled = await tellOfEndpoints(
    tx,
    ours.flatMap(({ news }) => news ?? []),
    TOO_LONG,
  )
  await moveLines(
    tx,
    ours.flatMap(({ line }) => line ?? []),
  )
  return { written: new Set(ours.filter(({ begun }) => begun === undefined || noted.has(begun.id))), disabled }
}

/** Each once, in one order. One that works again is released, whatever was to hold it before. */
async function moveLines(tx: Tx, lines: readonly EndpointLine[]): Promise<void> {
  if (lines.length === 0) return
  const named = lines.map((line) => ({ ...line, ...lineOfEndpoint(line.environmentId, line.id) }))
  const byKey = Map.groupBy(await linesToMove(tx, named), ({ fairnessKey }) => fairnessKey)
  for (const [, own] of [...byKey].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const rests = own.flatMap(({ heldMs }) => heldMs ?? [])
    if (rests.length < own.length) await release(tx, own[0]!)
    else await hold(tx, own[0]!, { afterMs: Math.max(...rests) })
  }
}
