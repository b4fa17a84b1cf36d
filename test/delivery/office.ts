import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { pino } from 'pino'
import { z } from 'zod'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor } from '../../src/channels/http.ts'
import type { Channel, Outcome, Outgoing, Provider } from '../../src/channels/provider.ts'
import { createJourney } from '../../src/delivery/journey.ts'
import { createLetters } from '../../src/delivery/letter.ts'
import { createRecord } from '../../src/delivery/record.ts'
import { builtInAccount } from '../../src/domain/account.ts'
import type { KeyActor } from '../../src/domain/actor.ts'
import { createCommands } from '../../src/domain/command.ts'
import { putDeviceToken } from '../../src/domain/device-token.ts'
import { layFoundation } from '../../src/domain/foundation.ts'
import { acceptSends, checkSend, type SendInput } from '../../src/domain/send.ts'
import { readEvents } from '../../src/log/read.ts'
import { claim } from '../../src/queue/claim.ts'
import type { Claimed, Work } from '../../src/queue/kinds.ts'
import { giveBack } from '../../src/queue/settle.ts'
import { createSecrets } from '../../src/secrets.ts'
import { openStore } from '../../src/store/database.ts'
import { testDatabase } from '../support/database.ts'

/** A provider of the outside world: it writes down each call and answers as it is told. */
export interface Post {
  readonly calls: Outgoing[]
  answer: (outgoing: Outgoing) => Promise<Outcome>
}

const ENVIRONMENT = 'production'
const ACTOR: KeyActor = { kind: 'key', environmentId: ENVIRONMENT, keyId: 'key', scopes: ['ADMIN'], mode: 'LIVE' }
const NEVER = new Promise<never>(() => {})

export const hanging = (): Promise<Outcome> => NEVER
export const accepting = (): Promise<Outcome> => Promise.resolve({ kind: 'accepted' })

/** Accepts sends and lets tests be the workers: who holds a message, who dies with it, and who takes it over. */
export async function openOffice(options: { channel?: Channel; onUnknown?: 'RESEND' | 'FAIL' } = {}) {
  const { channel = 'EMAIL', onUnknown = 'RESEND' } = options
  const database = await testDatabase()
  const store = await openStore({ url: database.url, poolSize: 8 })
  const vault = createSecrets([randomBytes(32)])
  const guard = createAddressGuard({ allowedNetworks: [], own: [] })
  const http = createHttpDoor({ guard })
  const now = () => new Date()
  await layFoundation(store.db, `ck_live_${'k'.repeat(43)}`, now())

  const post: Post = { calls: [], answer: accepting }
  const provider: Provider = {
    kind: 'post',
    channel,
    name: 'Post',
    settings: z.object({}),
    deliver(outgoing) {
      post.calls.push(outgoing)
      return post.answer(outgoing)
    },
  }
  const { account, settings } = builtInAccount(provider, {}, now())
  const builtIns = [{ settings, account: { ...account, onUnknown } }]
  const letters = createLetters({ db: store.db, vault, builtIns, now })
  const journey = createJourney({
    letters,
    record: createRecord({ db: store.db, published: () => {} }),
    providers: [provider],
    http,
    now,
    random: () => 0,
    log: pino({ level: 'silent' }),
    observed: () => {},
  })
  const commands = createCommands({ db: store.db, providers: [provider], guard, vault, now, published: () => {}, wake: () => {} })
  let held: { worker: string; jobs: readonly Claimed[] } = { worker: '', jobs: [] }
  let workers = 0

  return {
    post,
    async send(to: SendInput['to'][number]): Promise<string> {
      const input = checkSend({ to: [to], content: { title: 'Hello' } }, guard)
      const [accepted] = await commands.runGroup(acceptSends, [{ actor: ACTOR, input, key: null }])
      if (accepted === undefined || accepted instanceof Error) throw accepted
      return accepted.requestId
    },
    addDevice: (userId: string, token: string) => commands.run(ACTOR, putDeviceToken, { userId, input: { kind: 'post', token } }),
    /** A new worker takes what is due, from whoever holds it. Null where there is nothing. */
    async takeOver(): Promise<Claimed | null> {
      await giveBack(store.db, held.worker, held.jobs)
      await sql`update job set run_at = now()`.execute(store.db)
      workers += 1
      const worker = `worker-${workers}`
      const { jobs } = await claim(store.db, { worker, lane: 'single', limit: 10, kinds: ['deliver'], after: '' })
      held = { worker, jobs }
      return jobs[0] ?? null
    },
    /** What a worker does with what it took. */
    perform: (job: Claimed, holdsLease: Work['holdsLease'] = () => true): Promise<void> =>
      journey(job.payload, { job, holdsLease, signal: new AbortController().signal }),
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
      }
    },
    async deadLetters(): Promise<readonly { crashes: number; error: string }[]> {
      return (await sql<{ crashes: number; error: string }>`select crashes, error from dead_letter`.execute(store.db)).rows
    },
    cancel: (messageId: string) => sql`update message set status = 'CANCELED' where id = ${messageId}`.execute(store.db),
    async close() {
      await http.close()
      await store.close()
      await database.drop()
    },
  }
}

export type Office = Awaited<ReturnType<typeof openOffice>>
