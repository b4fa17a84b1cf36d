import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { pino } from 'pino'
import { z } from 'zod'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor } from '../../src/channels/http.ts'
import type { Channel, Provider, Rendered } from '../../src/channels/provider.ts'
import { createBreakers } from '../../src/delivery/breaker.ts'
import { createExpand } from '../../src/delivery/expand.ts'
import { createJourney } from '../../src/delivery/journey.ts'
import { createLetters } from '../../src/delivery/letter.ts'
import { createRecord } from '../../src/delivery/record.ts'
import { createThrottle } from '../../src/delivery/throttle.ts'
import { createAccept } from '../../src/domain/accept.ts'
import { builtInAccount } from '../../src/domain/account.ts'
import type { KeyActor } from '../../src/domain/actor.ts'
import { createCallbackLinks } from '../../src/domain/callback-link.ts'
import { createCommands, createCommit } from '../../src/domain/command.ts'
import { createLinks, previewLinks } from '../../src/domain/link.ts'
import type { Decision } from '../../src/domain/plan.ts'
import { createPlanSend } from '../../src/domain/plan-send.ts'
import { checkSend } from '../../src/domain/send.ts'
import { createTrackingLinks } from '../../src/domain/tracking-link.ts'
import { claim } from '../../src/queue/claim.ts'
import type { Claimed, Lane, Payload } from '../../src/queue/kinds.ts'
import { render } from '../../src/render/content.ts'
import { createSecrets } from '../../src/secrets.ts'
import { openStore } from '../../src/store/database.ts'
import { createTemplateVersions } from '../../src/store/template.ts'
import { testDatabase } from '../support/database.ts'
import { ACCOUNTS, type Answer, type Configuration, NOW, outcomeOf } from './configuration.ts'
import { furnish } from './furnish.ts'

/** A call to a provider, or a delivery that was simulated. */
export interface Called {
  readonly providerId: string
  readonly channel: Channel
  readonly address: string
}

/** How one message of a real send stands. */
export interface Standing {
  readonly id: string
  readonly recipient: string
  readonly userId: string | null
  readonly status: string
  readonly reason: string | null
  readonly scheduledFor: Date | null
  /** Where it went after ENQUEUED; null where it is that still. */
  readonly first: { readonly status: string; readonly reason: string | null } | null
  /** Kept with it. */
  readonly decisions: readonly Decision[] | null
  readonly outputs: { readonly [K in Channel]?: Rendered } | null
  readonly deliveries: readonly Called[]
  /** There is more to be done for it, now or later. */
  readonly waits: boolean
  /** In order. */
  readonly calls: readonly Called[]
}

/**
 * A database in which random configurations are planned and played, each in an environment of its own. Providers answer as
 * the configuration says; the clock of everything that plans, sends and delivers is the test's.
 */
export async function openRehearsal() {
  const database = await testDatabase()
  const store = await openStore({ url: database.url, poolSize: 4, allowUnsafe: true })
  const reading = new URL(database.url)
  reading.searchParams.set('options', '-c default_transaction_read_only=on')
  const readOnly = await openStore({ url: reading.href, poolSize: 4, allowUnsafe: true })
  const vault = createSecrets([randomBytes(32)])
  const guard = createAddressGuard({ allowedNetworks: [], own: [] })
  const http = createHttpDoor({ guard })
  const publicUrl = () => 'http://carillon.test'
  const links = { ...createLinks({ vault, publicUrl }), ...previewLinks(publicUrl) }
  const log = pino({ level: 'silent' })
  let clock = NOW
  const now = () => clock
  let answers: ReadonlyMap<string, Answer> = new Map()
  const calls: (Called & { readonly messageId: string })[] = []

  const providers = [...new Map(Object.values(ACCOUNTS).map(([channel, kind]) => [kind, channel]))].map(
    ([kind, channel]): Provider<{ account: string }> => ({
      kind,
      channel,
      name: kind,
      settings: z.object({ account: z.string() }),
      async deliver({ messageId, address }, { settings: { account } }) {
        calls.push({ messageId, providerId: account, channel, address: address.id })
        return outcomeOf(answers.get(account) ?? 'accepted')
      },
    }),
  )
  const builtIns = providers
    .filter(({ kind }) => kind === 'inbox' || kind === 'webhook')
    .map((provider) => builtInAccount(provider, { account: provider.kind }, NOW))
  const versions = createTemplateVersions()
  const letters = createLetters({ db: store.db, versions, vault, builtIns, now })
  const journey = createJourney({
    letters,
    record: createRecord({ db: store.db, published: () => {} }),
    providers,
    http,
    renderer: { render },
    links,
    trackingLinks: createTrackingLinks({ vault, publicUrl }),
    breakers: createBreakers({ now, random: () => 0, log: { info() {}, warn() {} } }),
    throttle: createThrottle({ db: store.db, now }),
    callbacks: createCallbackLinks({ signer: vault, providers, publicUrl }),
    now,
    random: () => 0,
    log,
    observed: () => {},
  })
  const commit = createCommit({ db: store.db, providers, guard, vault, now, published: () => {}, wake: () => {} })
  const commands = createCommands(commit, vault)
  const accept = createAccept(commands, versions)
  const expand = createExpand({ db: store.db, versions, commit, builtIns, vault, now, log })
  const planSend = createPlanSend({ db: readOnly.db, versions, vault, builtIns, renderer: { render }, links, now })
  const actorOf = (environmentId: string, mode: Configuration['mode']): KeyActor => ({
    kind: 'key',
    environmentId,
    keyId: 'key',
    scopes: ['ADMIN'],
    mode,
  })
  const checked = (input: Configuration['input']) => checkSend(input, { guard, providers, now })
  let environments = 0

  /** What is due in a lane by the test's clock, one job after the other in the order in which they were made. */
  async function perform(lane: Lane): Promise<void> {
    await sql`
      update job set run_at = now() + case when exists (
        select from message m
        where m.environment_id = payload->>'environmentId' and m.id = payload->>'messageId' and m.scheduled_for > ${clock}
      ) then interval '1 day' else interval '-1 second' end
      where lane = ${lane}`.execute(store.db)
    const { jobs } = await claim(store.db, { worker: 'w', lane, limit: 100, kinds: ['deliver', 'expand'], after: '' })
    for (const job of jobs.toSorted((a, b) => a.id - b.id)) await performOne(job)
  }

  function performOne(job: Claimed): Promise<void> {
    const work = {
      job,
      lane: job.lane,
      holdsLease: () => true,
      signal: new AbortController().signal,
      leaveSlot() {},
      comesBack() {},
    }
    return job.kind === 'expand'
      ? expand(job.payload as Payload<'expand'>, work)
      : journey(job.payload as Payload<'deliver'>, work)
  }

  async function read(environmentId: string): Promise<readonly Omit<Standing, 'calls'>[]> {
    const { rows } = await sql<Omit<Standing, 'calls'>>`
      select m.id, m.recipient, m.user_id as "userId", m.status, m.reason, m.scheduled_for as "scheduledFor", p.decisions,
             (select jsonb_object_agg(o.channel, o.content) from output o
              where o.environment_id = m.environment_id and o.message_id = m.id) as outputs,
             coalesce((select jsonb_agg(jsonb_build_object('providerId', d.provider_id, 'channel', d.channel, 'address', d.address))
              from delivery d where d.environment_id = m.environment_id and d.message_id = m.id), '[]') as deliveries,
             exists (select from job where payload->>'messageId' = m.id) as waits,
             (select jsonb_build_object('status', e.status, 'reason', e.reason) from event e
              where e.environment_id = m.environment_id and e.message_id = m.id and e.status <> 'ENQUEUED'
              order by e.position limit 1) as first
      from message m left join plan p on p.environment_id = m.environment_id and p.message_id = m.id
      where m.environment_id = ${environmentId}`.execute(store.db)
    return rows
  }

  return {
    readOnly: readOnly.db,
    calls,
    /** An environment as the configuration has it; its id. */
    async furnish(configuration: Configuration): Promise<string> {
      environments += 1
      const environmentId = `e${environments}`
      clock = NOW
      answers = new Map(configuration.accounts.map(({ id, answer }) => [id, answer]))
      calls.length = 0
      await furnish(store.db, environmentId, configuration)
      return environmentId
    },
    plan: (environmentId: string, { input, mode }: Configuration) => planSend(actorOf(environmentId, mode), checked(input), 100),
    async send(environmentId: string, { input, mode }: Configuration): Promise<void> {
      const call = { actor: actorOf(environmentId, mode), input: checked(input), key: null }
      const accepted = await accept(call)
      if (accepted instanceof Error) throw accepted
    },
    /** Does what is to be done at a moment, and says how every message stands then. */
    async playAt(environmentId: string, at: Date): Promise<readonly Standing[]> {
      clock = at
      // Groups are expanded in the second lane, and their messages delivered in the same.
      for (const lane of ['single', 'bulk', 'bulk'] as const) await perform(lane)
      const rows = await read(environmentId)
      return rows.map((row) => ({ ...row, calls: calls.filter(({ messageId }) => messageId === row.id) }))
    },
    /** What still waits is not done any more. */
    forget: () => sql`delete from job`.execute(store.db),
    async close(): Promise<void> {
      await http.close()
      await store.close()
      await readOnly.close()
      await database.drop()
    },
  }
}
