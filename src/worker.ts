import { createBreakers } from './delivery/breaker.ts'
import { createCancel } from './delivery/cancel.ts'
import { createExpand } from './delivery/expand.ts'
import { createJourney } from './delivery/journey.ts'
import { createLetters } from './delivery/letter.ts'
import { createRecord } from './delivery/record.ts'
import { createThrottle } from './delivery/throttle.ts'
import type { Commit } from './domain/command.ts'
import type { House } from './house.ts'
import type { Lane } from './queue/kinds.ts'
import { createQueue, type Queue } from './queue/run.ts'

/**
 * How much of each kind of work a process does at the same time. A message in a slot mostly waits, for its provider or for a
 * commit, and the more of them there are, the more share a transaction.
 */
const SLOTS: { readonly [L in Lane]: number } = { single: 160, bulk: 96, webhook: 16, upkeep: 2 }

/** What delivers: the queue and what performs its jobs. */
export function createWorker(house: House, commit: Commit, onlyProcess: boolean): Queue {
  const { store, eventLog, now, metrics } = house
  const attempts = metrics.counter('carillon_attempts_total', 'Calls to providers.', ['channel', 'kind', 'outcome'])
  const seconds = metrics.histogram('carillon_attempt_seconds', 'How long a call to a provider took.', ['channel', 'kind'])
  const journey = createJourney({
    letters: createLetters({
      db: store.db,
      versions: house.versions,
      vault: house.secrets,
      builtIns: house.builtIns,
      now,
    }),
    record: createRecord({ db: store.db, published: eventLog.published }),
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
    observed: ({ channel, kind }, outcome, took) => {
      attempts.inc({ channel, kind, outcome: outcome.kind })
      seconds.observe({ channel, kind }, took)
    },
  })
  const expand = createExpand({
    db: store.db,
    versions: house.versions,
    commit,
    builtIns: house.builtIns,
    vault: house.secrets,
    now,
    log: house.log,
  })
  return createQueue({
    db: store.db,
    log: house.log,
    leaseSeconds: house.config.leaseSeconds,
    slots: SLOTS,
    onlyProcess,
    performers: { deliver: journey, expand, cancel: createCancel({ commit }) },
    onWake: house.carrier.onWake,
  })
}
