import type { Outcome } from './channels/provider.ts'
import { createBreakers } from './delivery/breaker.ts'
import { createCancel } from './delivery/cancel.ts'
import { createExpand } from './delivery/expand.ts'
import { createFanOut } from './delivery/fan-out.ts'
import { createJourney } from './delivery/journey.ts'
import { createLetters } from './delivery/letter.ts'
import { createQuarantine } from './delivery/quarantine.ts'
import { createRecord } from './delivery/record.ts'
import { createThrottle } from './delivery/throttle.ts'
import { createWebhookCall, OF_ENDPOINTS } from './delivery/webhook-call.ts'
import { createWebhookRecord } from './delivery/webhook-record.ts'
import type { Commit } from './domain/command.ts'
import type { Step } from './domain/plan.ts'
import type { House } from './house.ts'
import type { Lane, Perform } from './queue/kinds.ts'
import { createQueue, type Queue } from './queue/run.ts'

/**
 * How much of each kind of work a process does at the same time. A message in a slot mostly waits, for its provider or for a
 * commit, and the more of them there are, the more share a transaction. How many webhooks last at once: webhook-call.ts.
 */
const SLOTS: { readonly [L in Lane]: number } = { single: 160, bulk: 96, webhook: 32, upkeep: 2 }

/** Until a second after a single message was begun: of a machine's time, many at once would take what one waits for. */
const GIVING_WAY: { readonly [L in Lane]?: number } = { bulk: 8 }

/** What delivers: the queue and what performs its jobs. */
export function createWorker(house: House, commit: Commit, onlyProcess: boolean): Queue {
  const { store, now, metrics } = house
  const attempts = metrics.counter('carillon_attempts_total', 'Calls to providers.', ['channel', 'kind', 'outcome'])
  const seconds = metrics.histogram('carillon_attempt_seconds', 'How long a call to a provider took.', ['channel', 'kind'])
  const parts = {
    providers: house.providers,
    http: house.http,
    renderer: house.renderer,
    links: house.links,
    trackingLinks: house.trackingLinks,
    breakers: createBreakers({ now, random: house.random, log: house.log }),
    throttle: createThrottle({ db: store.db, now }),
    callbacks: house.callbacks,
    now,
    random: house.random,
    log: house.log,
    observed: ({ channel, kind }: Step, outcome: Outcome, took: number) => {
      attempts.inc({ channel, kind, outcome: outcome.kind })
      seconds.observe({ channel, kind }, took)
    },
  }
  const suspects = createQuarantine()
  // Reads and results of each lane are grouped by themselves: a single message waits for no group of many.
  const [single, bulk] = [0, 1].map(() => createJourney({ ...parts, ...createDesk(house) }, suspects)) as [Deliver, Deliver]
  const expand = createExpand({
    db: store.db,
    versions: house.versions,
    commit,
    builtIns: house.builtIns,
    vault: house.secrets,
    now,
    log: house.log,
  })
  const fanOut = createFanOut({ db: store.db, commit, now, log: house.log })
  return createQueue({
    db: store.db,
    log: house.log,
    leaseSeconds: house.config.leaseSeconds,
    slots: SLOTS,
    givingWay: GIVING_WAY,
    onlyProcess,
    performers: {
      deliver: (ref, work) => (work.lane === 'bulk' ? bulk : single)(ref, work),
      expand,
      fanOut,
      cancel: createCancel({ commit }),
      webhook: createWebhooks(house),
    },
    onWake: house.carrier.onWake,
  })
}

/** What calls the endpoints of outbound webhooks. */
function createWebhooks({ store, http, secrets, now, random, log, metrics }: House): Perform<'webhook'> {
  const calls = metrics.counter('carillon_webhook_calls_total', 'Calls to webhook endpoints.', ['outcome'])
  const seconds = metrics.histogram('carillon_webhook_call_seconds', 'How long a call to a webhook endpoint took.', [])
  return createWebhookCall({
    db: store.db,
    record: createWebhookRecord({
      db: store.db,
      disabled({ environmentId, id, reason }) {
        log.warn({ environment: environmentId, endpoint: id, reason }, 'A webhook endpoint is disabled.')
      },
    }),
    http,
    vault: secrets,
    breakers: createBreakers({ now, random, log, limits: OF_ENDPOINTS }),
    now,
    random,
    log,
    observed(outcome, took) {
      calls.inc({ outcome: outcome.toLowerCase() })
      seconds.observe({}, took)
    },
  })
}

type Deliver = Perform<'deliver'>

/** Where messages are read and their results written. */
function createDesk({ store, versions, secrets, builtIns, now, published }: House) {
  return {
    letters: createLetters({ db: store.db, versions, vault: secrets, builtIns, now }),
    record: createRecord({ db: store.db, published }),
  }
}
