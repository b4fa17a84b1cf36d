import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { pino } from 'pino'
import { z } from 'zod'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor } from '../../src/channels/http.ts'
import type { Channel, Outcome, Outgoing, Provider, Report } from '../../src/channels/provider.ts'
import { createBreakers } from '../../src/delivery/breaker.ts'
import { createExpand } from '../../src/delivery/expand.ts'
import { createFanOut } from '../../src/delivery/fan-out.ts'
import { createJourney, type JourneyParts } from '../../src/delivery/journey.ts'
import { createLetters } from '../../src/delivery/letter.ts'
import { createRecord } from '../../src/delivery/record.ts'
import { createThrottle } from '../../src/delivery/throttle.ts'
import { createAccept } from '../../src/domain/accept.ts'
import { builtInAccount } from '../../src/domain/account.ts'
import type { KeyActor } from '../../src/domain/actor.ts'
import { type AddBulkUsersInput, createAddBulkUsers } from '../../src/domain/bulk-user.ts'
import { createCallbackLinks } from '../../src/domain/callback-link.ts'
import { type Command, createCommands, createCommit } from '../../src/domain/command.ts'
import { putDeviceToken } from '../../src/domain/device-token.ts'
import { layFoundation } from '../../src/domain/foundation.ts'
import { createLinks } from '../../src/domain/link.ts'
import type { Decision } from '../../src/domain/plan.ts'
import { applyReports, type Reports } from '../../src/domain/report.ts'
import { checkSend, type SendInput } from '../../src/domain/send.ts'
import { type Engagement, type EngagementKind, recordEngagements } from '../../src/domain/tracking.ts'
import { createTrackingLinks } from '../../src/domain/tracking-link.ts'
import { readEvents } from '../../src/log/read.ts'
import { claim } from '../../src/queue/claim.ts'
import type { Claimed, Lane, Payload, Work } from '../../src/queue/kinds.ts'
import { giveBack } from '../../src/queue/settle.ts'
import { render } from '../../src/render/content.ts'
import { prepareMjml } from '../../src/render/mjml.ts'
import { createSecrets } from '../../src/secrets.ts'
import { openStore } from '../../src/store/database.ts'
import { createTemplateVersions } from '../../src/store/template.ts'
import { testDatabase } from '../support/database.ts'
import { startWire } from '../support/wire.ts'

/** A provider of the outside world: it writes down each call and answers as it is told. */
export interface Post {
  readonly calls: Outgoing[]
  answer: (outgoing: Outgoing, kind: string, signal: AbortSignal) => Promise<Outcome>
}

export interface OfficeOptions {
  readonly channel?: Channel
  readonly onUnknown?: 'RESEND' | 'FAIL'
  /** One account of each, tried in this order; one that is named alone is of the office's channel and policy. */
  readonly kinds?: readonly (string | Kind)[]
  /** Where attachments may be fetched from, beside the whole outside. */
  readonly allowedNetworks?: readonly string[]
}

export interface Kind {
  readonly kind: string
  readonly channel: Channel
  readonly onUnknown?: 'RESEND' | 'FAIL'
}

const ENVIRONMENT = 'production'
const ACTOR: KeyActor = { kind: 'key', environmentId: ENVIRONMENT, keyId: 'key', scopes: ['ADMIN'], mode: 'LIVE' }
const NEVER = new Promise<never>(() => {})

export const hanging = (): Promise<Outcome> => NEVER
export const accepting = (): Promise<Outcome> => Promise.resolve({ kind: 'accepted' })

/** Accepts sends and lets tests be the workers: who holds a message, who dies with it, and who takes it over. */
export async function openOffice(options: OfficeOptions = {}) {
  const { channel = 'EMAIL', onUnknown = 'RESEND', kinds = ['post'], allowedNetworks = [] } = options
  // What the first mail would wait for.
  await prepareMjml()
  const database = await testDatabase()
  const line = await startLine(database.url)
  const store = await openStore({ url: database.url, poolSize: 8 })
  const far = await openStore({ url: line.url, poolSize: 2 })
  const vault = createSecrets([randomBytes(32)])
  const guard = createAddressGuard({ allowedNetworks, own: [] })
  const http = createHttpDoor({ guard })
  let clockMs = 0
  const now = () => new Date(Date.now() + clockMs)
  await layFoundation(store.db, `ck_live_${'k'.repeat(43)}`, now())

  const post: Post = { calls: [], answer: accepting }
  const wanted = kinds.map((one): Kind => (typeof one === 'string' ? { kind: one, channel } : one))
  const providers = wanted.map(
    ({ kind, channel }): Provider => ({
      kind,
      channel,
      name: 'Post',
      settings: z.object({}),
      deliver(outgoing, { signal }) {
        post.calls.push(outgoing)
        return post.answer(outgoing, kind, signal)
      },
    }),
  )
  const builtIns = providers.map((provider, index) => {
    const { account, settings } = builtInAccount(provider, {}, now())
    return { settings, account: { ...account, onUnknown: wanted[index]!.onUnknown ?? onUnknown } }
  })
  const warnings: string[] = []
  const warned = { write: (line: string) => void warnings.push(JSON.parse(line).msg) }
  const versions = createTemplateVersions()
  const letters = createLetters({ db: store.db, versions, vault, builtIns, now })
  const newBreakers = () => createBreakers({ now, random: () => 0, log: { info() {}, warn() {} } })
  let parts: JourneyParts = {
    letters,
    record: createRecord({ db: far.db, published: () => {} }),
    providers,
    http,
    renderer: { render },
    links: createLinks({ vault, publicUrl: () => 'http://carillon.test' }),
    trackingLinks: createTrackingLinks({ vault, publicUrl: () => 'http://carillon.test' }),
    breakers: newBreakers(),
    throttle: createThrottle({ db: store.db, now }),
    callbacks: createCallbackLinks({ signer: vault, providers, publicUrl: () => 'http://carillon.test' }),
    now,
    random: () => 0,
    log: pino({ level: 'warn' }, warned),
    observed: () => {},
  }
  const commit = createCommit({ db: store.db, providers, guard, vault, now, published: () => {}, wake: () => {} })
  const commands = createCommands(commit, vault)
  const accept = createAccept(commands, versions)
  const addBulkUsers = createAddBulkUsers({ db: store.db, versions, commands, guard, providers })
  const expand = createExpand({ db: store.db, versions, commit, builtIns, vault, now, log: pino({ level: 'fatal' }) })
  const fanOut = createFanOut({ db: store.db, commit, now, log: pino({ level: 'fatal' }) })
  let held: { worker: string; jobs: readonly Claimed[] } = { worker: '', jobs: [] }
  let workers = 0

  return {
    post,
    /** What the workers write goes this way. */
    line,
    warnings,
    now,
    /** Sets the clock of the workers, not the database's. */
    setClock(ms: number): void {
      clockMs = ms
    },
    async send(to: SendInput['to'][number], more: Partial<SendInput> = {}): Promise<string> {
      const input = checkSend({ to: [to], content: { title: 'Hello' }, ...more }, { guard, providers, now })
      const accepted = await accept({ actor: ACTOR, input, key: null })
      if (accepted instanceof Error) throw accepted
      return accepted.requestId
    },
    run: <In, Out>(command: Command<In, Out>, input: In) => commands.run(ACTOR, command, input),
    addBulkUsers: (jobId: string, users: AddBulkUsersInput['users']) => addBulkUsers(ACTOR, { jobId, users }, null),
    addDevice: (userId: string, token: string) => commands.run(ACTOR, putDeviceToken, { userId, input: { kind: 'post', token } }),
    /** As after the secret it was sealed with was retired. */
    async sealWithAnother(token: string): Promise<void> {
      await sql`update device_token set keys = 'sealed with a secret that is gone' where token = ${token}`.execute(store.db)
    },
    /** A new worker takes what is due, from whoever holds it. Null where there is nothing. */
    async takeOver(lane: Lane = 'single'): Promise<Claimed | null> {
      await giveBack(store.db, held.worker, held.jobs)
      // Truncated: rounded up to its milliseconds, it would not be due yet.
      await sql`update job set run_at = date_trunc('milliseconds', now())`.execute(store.db)
      workers += 1
      const worker = `worker-${workers}`
      const { jobs } = await claim(store.db, { worker, lane, limit: 50, kinds: ['deliver', 'expand', 'fanOut'], after: '' })
      held = { worker, jobs }
      return jobs[0] ?? null
    },
    /** All that the worker took, the earliest sent first. */
    heldJobs: (): readonly Claimed[] => held.jobs,
    /** What a worker, a process of its own, does with what it took. */
    perform: (
      job: Claimed,
      holdsLease: Work['holdsLease'] = () => true,
      leaveSlot: Work['leaveSlot'] = () => {},
    ): Promise<void> => createJourney(parts)(job.payload as Payload<'deliver'>, { ...workOn(job), holdsLease, leaveSlot }),
    /** The same for a job that expands a request. */
    expand: (job: Claimed): Promise<void> => expand(job.payload as Payload<'expand'>, workOn(job)),
    /** The same for one that makes the messages of a bulk job. */
    fanOut: (job: Claimed): Promise<void> => fanOut(job.payload as Payload<'fanOut'>, workOn(job)),
    /** The message as it stands. */
    async read(messageId: string) {
      const letter = (await letters.read({ environmentId: ENVIRONMENT, messageId }))!
      const filter = { stream: 'MESSAGE', messageIds: [messageId] } as const
      const events = await readEvents(store.db, { environmentId: ENVIRONMENT, after: 0, upTo: 1_000, limit: 100, filter })
      return {
        status: letter.row.status,
        outcomes: [...letter.deliveries.values()].map(({ attempts }) => attempts.map(({ outcome }) => outcome)),
        events: events.map(({ type }) => type),
        last: events.at(-1),
        deliveries: (
          await sql<{ providerId: string; status: string; nextAttemptAt: Date | null; reference: string | null }>`
            select provider_id as "providerId", status, next_attempt_at as "nextAttemptAt", reference
            from delivery where message_id = ${messageId} order by started_at, id`.execute(store.db)
        ).rows,
        updatedAt: (await sql<{ at: Date }>`select updated_at as at from message where id = ${messageId}`.execute(store.db))
          .rows[0]?.at,
      }
    },
    /** Everything that is told of a message: its calls, its history, and why it went the way it went. */
    async journal(messageId: string) {
      const letter = (await letters.read({ environmentId: ENVIRONMENT, messageId }))!
      const filter = { stream: 'MESSAGE', messageIds: [messageId] } as const
      const events = await readEvents(store.db, { environmentId: ENVIRONMENT, after: 0, upTo: 1_000, limit: 100, filter })
      const { rows } = await sql<{ decisions: readonly Decision[] }>`
        select decisions from plan where message_id = ${messageId}`.execute(store.db)
      return { deliveries: [...letter.deliveries.values()], events, decisions: rows[0]?.decisions ?? [] }
    },
    /** What a provider tells of what it was called with. */
    report(
      { idempotencyKey: key }: Pick<Outgoing, 'idempotencyKey'>,
      what: Report['what'],
      { providerId = 'post', environmentId = ENVIRONMENT, ...more }: Partial<Report & Omit<Reports, 'reports'>> = {},
    ) {
      return this.reportAll([{ key, what, at: now(), ...more }], { environmentId, providerId })
    },
    reportAll: (reports: readonly Report[], place = { environmentId: ENVIRONMENT, providerId: 'post' }) =>
      commit((scope) => applyReports(scope, { ...place, reports })),
    /** What a person did with a message as a channel brought it. */
    engage: (messageId: string, what: EngagementKind, way: Partial<Engagement & { environmentId: string }> = {}) => {
      const { environmentId = ENVIRONMENT, ...more } = way
      const engagement = { messageId, channel, providerId: 'post', what, ...more }
      return commit(async (scope) => (await recordEngagements(scope, environmentId, [engagement]))[0]!)
    },
    /** What its sender sees. */
    async standing(messageId: string) {
      const { rows } = await sql<{ status: string; reason: string | null; error: string | null; deliveredAt: Date | null }>`
        select status, reason, error, delivered_at as "deliveredAt" from message where id = ${messageId}`.execute(store.db)
      const deliveries = await sql<{ status: string; error: string | null; reports: string[]; deliveredAt: Date | null }>`
        select status, error, reports, delivered_at as "deliveredAt"
        from delivery where message_id = ${messageId} order by address, started_at, id`.execute(store.db)
      return { ...rows[0]!, deliveries: deliveries.rows }
    },
    /** In how many seconds of the database's clock its job is due; null where there is none. */
    async dueIn(): Promise<number | null> {
      const { rows } = await sql<{ seconds: number }>`
        select extract(epoch from run_at - now())::float8 as seconds from job`.execute(store.db)
      return rows[0]?.seconds ?? null
    },
    async deadLetters(): Promise<readonly { id: string; crashes: number; error: string }[]> {
      return (
        await sql<{ id: string; crashes: number; error: string }>`select id, crashes, error from dead_letter`.execute(store.db)
      ).rows
    },
    /** From now on no plan can be kept: a fault of ours, each time. */
    breakPlans: () => sql`alter table plan add check (false)`.execute(store.db),
    /** The same for messages, until they are mended. */
    breakMessages: () => sql`alter table message add constraint broken check (false) not valid`.execute(store.db),
    mendMessages: () => sql`alter table message drop constraint broken`.execute(store.db),
    /** No work waits and nothing is known of any account, as in an office that just opened. */
    async startAfresh(): Promise<void> {
      parts = { ...parts, breakers: newBreakers() }
      await sql`delete from job`.execute(store.db)
      await sql`delete from provider_state`.execute(store.db)
    },
    cancel: (messageId: string) => sql`update message set status = 'CANCELED' where id = ${messageId}`.execute(store.db),
    async close() {
      await http.close()
      await store.close()
      await far.close()
      await line.close()
      await database.drop()
    },
  }
}

function workOn(job: Claimed): Work {
  const signal = new AbortController().signal
  return { job, lane: job.lane, holdsLease: () => true, signal, leaveSlot() {}, comesBack() {} }
}

/** A database's socket behind a wire. `down`: nobody answers there, as while PostgreSQL restarts. */
async function startLine(databaseUrl: string) {
  const { port, searchParams, username, pathname } = new URL(databaseUrl)
  const real = `${searchParams.get('host')}/.s.PGSQL.${port}`
  let isDown = false
  const wire = await startWire(() => (isDown ? `${real}.down` : real))
  return {
    url: `postgresql://${username}@127.0.0.1:${wire.port}${pathname}`,
    goDown(): void {
      isDown = true
      wire.cut()
    },
    comeUp(): void {
      isDown = false
    },
    loseReplyTo: wire.loseReplyTo,
    close: wire.close,
  }
}

export type Office = Awaited<ReturnType<typeof openOffice>>
