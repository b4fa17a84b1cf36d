import type { Logger } from 'pino'
import { builtInAccounts, startMail } from './built-in.ts'
import { createAddressGuard } from './channels/address.ts'
import { createHttpDoor } from './channels/http.ts'
import { createProviders } from './channels/index.ts'
import type { AddressGuard, HttpDoor, Provider } from './channels/provider.ts'
import { type Config, ownHosts } from './config.ts'
import { createBreakers } from './delivery/breaker.ts'
import { createCancel } from './delivery/cancel.ts'
import { createExpand } from './delivery/expand.ts'
import { createJourney } from './delivery/journey.ts'
import { createLetters } from './delivery/letter.ts'
import { createRecord } from './delivery/record.ts'
import { createThrottle } from './delivery/throttle.ts'
import { createAccept } from './domain/accept.ts'
import { createAuthenticate } from './domain/access.ts'
import { type BuiltInAccount, readAccount, settingsOf } from './domain/account.ts'
import { type CallbackLinks, createCallbackLinks } from './domain/callback-link.ts'
import { type Commands, type Commit, createCommands, createCommit } from './domain/command.ts'
import { layFoundation } from './domain/foundation.ts'
import { createLinks, type Links, previewLinks } from './domain/link.ts'
import { readPageBrand } from './domain/page-brand.ts'
import { createPlanSend } from './domain/plan-send.ts'
import { readPreferences } from './domain/preference.ts'
import { readLinkedPreferences, readLinkedTopic } from './domain/preference-link.ts'
import { applyReports } from './domain/report.ts'
import { actorOf, type Context, type Graph } from './graphql/context.ts'
import { schema } from './graphql/schema.ts'
import type { Carrier } from './log/carrier.ts'
import { createCursors } from './log/cursor.ts'
import { createLog, type Log } from './log/follow.ts'
import { createMemoryCarrier } from './log/memory.ts'
import { createRedisCarrier } from './log/redis.ts'
import type { Metrics, Observer } from './observe.ts'
import type { Lane } from './queue/kinds.ts'
import { createQueue, type Queue } from './queue/run.ts'
import { createSecrets, type Secrets } from './secrets.ts'
import { createCallbacks } from './server/callbacks.ts'
import type { MailCatcher } from './server/mail.ts'
import { createPreferencePages } from './server/preferences.ts'
import type { RateLimiter } from './server/rate-limit.ts'
import { createMemoryRateLimiter } from './server/rate-memory.ts'
import { createRedisRateLimiter } from './server/rate-redis.ts'
import type { Route } from './server/route.ts'
import { createServer, type Server } from './server/server.ts'
import { createAudienceReads } from './store/audience.read.ts'
import { openStore, type Store } from './store/database.ts'
import { type Embedded, startEmbedded } from './store/embedded.ts'
import { ensureGenerated } from './store/generated-secrets.ts'
import { createInboxReads } from './store/inbox.read.ts'
import { createListReads } from './store/list.read.ts'
import { createMessageReads } from './store/message.read.ts'
import { migrate } from './store/migrate.ts'
import { createProviderReads } from './store/provider.read.ts'
import { createUserReads } from './store/user.read.ts'
import { Teardown } from './teardown.ts'

/** What tests may put in the place of the outside world. Production passes none of it. */
export interface World {
  readonly now: () => Date
  /** In [0, 1). */
  readonly random: () => number
  /** Beside the providers of this build. */
  readonly providers: readonly Provider[]
}

export interface App {
  /** Where it listens. */
  readonly url: string
  /** Of the embedded mode; made just now, or null. */
  readonly newAdminKey: string | null
  /** Resolves with a sentence should the app be unable to go on. */
  readonly failed: Promise<string>
  /** No new work, running calls finish, sockets close. Within 30 seconds. */
  stop(): Promise<void>
}

const DRAIN_MS = 25_000

/**
 * The composition root: the only place that constructs things and names a driver. Starts everything in order; what was
 * started is stopped in reverse, also when a later part does not start.
 */
export async function startApp(config: Config, { log, metrics }: Observer, world: Partial<World> = {}): Promise<App> {
  const { now = () => new Date(), random = Math.random } = world
  const undo = new Teardown(log)
  try {
    const { url: databaseUrl, embedded, secretKeys, adminKey, newAdminKey } = await openDatabase(config, log, undo)
    await migrate(databaseUrl, { log })
    const store = await openStore({ url: databaseUrl, poolSize: config.database.poolSize, log })
    undo.add('store', () => store.close())
    const secrets = createSecrets(secretKeys)
    await layFoundation(store.db, adminKey, now())

    const carrier = config.redisUrl === null ? createMemoryCarrier() : createRedisCarrier({ url: config.redisUrl, log })
    undo.add('carrier', () => carrier.close())
    const eventLog = createLog({ db: store.db, carrier, log })
    undo.add('log', () => eventLog.close())

    const guard = createAddressGuard({ allowedNetworks: config.allowedNetworks, own: ownHosts(config) })
    const http = createHttpDoor({ guard })
    undo.add('http', () => http.close())
    const providers = [...createProviders(), ...(world.providers ?? [])]
    undo.add('providers', () => closeAll(providers))
    const mail = await startMail(config, undo)
    const builtIns = await builtInAccounts({ config, store, secrets, providers, mail, since: now() })

    let listensAt = `http://${config.http.host}:${config.http.port}`
    const publicUrl = () => config.http.publicUrl ?? listensAt
    const links = createLinks({ vault: secrets, publicUrl })
    const callbacks = createCallbackLinks({ signer: secrets, providers, publicUrl })
    const house: House = {
      config,
      log,
      metrics,
      store,
      secrets,
      carrier,
      eventLog,
      guard,
      http,
      providers,
      builtIns,
      publicUrl,
      links,
      callbacks,
      now,
      random,
    }
    const commit = createCommit({
      db: store.db,
      providers,
      guard,
      vault: secrets,
      now,
      published: eventLog.published,
      wake: carrier.wake,
    })
    const commands = createCommands(commit, secrets)
    const queue = config.roles.worker ? createWorker(house, commit, embedded !== null) : null
    const server = createFront(house, commit, commands, mail, openRateLimiter(house, undo))
    const { url } = await server.listen()
    listensAt = url
    await queue?.start()
    undo.add('server and queue', async () => {
      await Promise.all([server.stop({ deadlineMs: DRAIN_MS }), queue?.stop({ deadlineMs: DRAIN_MS })])
    })
    log.info({ url }, 'ready')
    return { url, newAdminKey, failed: embedded?.gone ?? new Promise<never>(() => {}), stop: () => undo.run() }
  } catch (error) {
    await undo.run()
    throw error
  }
}

/** Everything that was built before the two roles. */
interface House {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly store: Store
  readonly secrets: Secrets
  readonly carrier: Carrier
  readonly eventLog: Log
  readonly guard: AddressGuard
  readonly http: HttpDoor
  readonly providers: readonly Provider[]
  readonly builtIns: readonly BuiltInAccount[]
  /** Where people reach us. */
  readonly publicUrl: () => string
  readonly links: Links
  readonly callbacks: CallbackLinks
  readonly now: () => Date
  readonly random: () => number
}

async function openDatabase(config: Config, log: Logger, undo: Teardown) {
  if (config.database.url !== null) {
    const { secretKeys, adminKey } = config
    return { url: config.database.url, embedded: null, secretKeys: secretKeys!, adminKey, newAdminKey: null }
  }
  const { secretKeys, adminKey, adminKeyIsNew } = await ensureGenerated(config)
  const embedded: Embedded = await startEmbedded({ dataDir: config.dataDir, log })
  undo.add('embedded PostgreSQL', () => embedded.stop())
  return { url: embedded.url, embedded, secretKeys, adminKey, newAdminKey: adminKeyIsNew ? adminKey : null }
}

/**
 * How much of each kind of work a process does at the same time. A message in a slot mostly waits, for its provider or for a
 * commit, and the more of them there are, the more share a transaction.
 */
const SLOTS: { readonly [L in Lane]: number } = { single: 160, bulk: 96, webhook: 16, upkeep: 2 }

function createWorker(house: House, commit: Commit, onlyProcess: boolean): Queue {
  const { store, eventLog, now, metrics } = house
  const attempts = metrics.counter('carillon_attempts_total', 'Calls to providers.', ['channel', 'kind', 'outcome'])
  const seconds = metrics.histogram('carillon_attempt_seconds', 'How long a call to a provider took.', ['channel', 'kind'])
  const journey = createJourney({
    letters: createLetters({ db: store.db, vault: house.secrets, builtIns: house.builtIns, now }),
    record: createRecord({ db: store.db, published: eventLog.published }),
    providers: house.providers,
    http: house.http,
    links: house.links,
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

/** Of what answers callers; a process that only delivers has nothing to count. */
function openRateLimiter({ config, secrets, metrics, log }: House, undo: Teardown): RateLimiter {
  const limits = new Map(Object.entries(config.limits.callsPerMinute))
  if (config.redisUrl === null || !config.roles.api) return createMemoryRateLimiter(limits)
  const hash = (caller: string) => secrets.sign('rate limit', caller)
  const limiter = createRedisRateLimiter({ url: config.redisUrl, limits, hash, log })
  undo.add('rate limiter', () => limiter.close())
  const help = '1 while this process counts rate limits for itself, since Redis does not.'
  metrics.gauge('carillon_rate_limit_fallback', help, [], () => Number(limiter.fallsBack()))
  return limiter
}

function createFront(
  house: House,
  commit: Commit,
  commands: Commands,
  mail: MailCatcher | null,
  rateLimiter: RateLimiter,
): Server {
  const { config, store, secrets, now, metrics } = house
  const graph = createGraph(house, commands)
  return createServer({
    schema,
    api: config.roles.api,
    host: config.http.host,
    port: config.http.port,
    ...(config.http.publicUrl !== null && { publicUrl: config.http.publicUrl }),
    production: config.http.production,
    allowedOrigins: config.http.allowedOrigins,
    limits: {
      bodyBytes: config.limits.bodyBytes,
      frameBytes: config.limits.frameBytes,
      subscriptionsPerSocket: config.limits.subscriptionsPerSocket,
      socketsPerUser: config.limits.socketsPerUser,
      socketsPerProcess: config.limits.sockets,
    },
    rateLimiter,
    authenticate: createAuthenticate({ db: store.db, tokenKeys: secrets.tokenKeys, now }),
    contextFor: (input) => contextOf(graph, input),
    routes: [...(mail?.routes ?? []), ...createPages(house, commands), createCallbackRoute(house, commit)],
    ready: () =>
      store.pool.query('select 1').then(
        () => true,
        () => false,
      ),
    metricsText: () => metrics.text(),
    log: house.log,
  })
}

/** What links in mails lead to, served by a process of any role. */
function createPages({ store, links, now }: House, commands: Commands): readonly Route[] {
  return createPreferencePages({
    links,
    commands,
    readPreferences: (link) => readLinkedPreferences(store.db, link, now()),
    readTopic: (link) => readLinkedTopic(store.db, link, now()),
    brandFor: (link) => readPageBrand(store.db, link),
    now,
  })
}

/** Where providers report, served by a process of any role. */
function createCallbackRoute(house: House, commit: Commit): Route {
  const { store, secrets, builtIns, callbacks: links, providers, http, metrics, now } = house
  return createCallbacks({
    links,
    providers,
    http,
    metrics,
    now,
    readAccount: (place) => readAccount(store.db, builtIns, place),
    settingsOf: (account) => settingsOf(secrets, builtIns, account),
    apply: (reports) => commit((scope) => applyReports(scope, reports)),
  })
}

function createGraph(house: House, commands: Commands): Graph {
  const { config, store, secrets, eventLog, now } = house
  return {
    prisma: store.prisma,
    reads: {
      ...createMessageReads(store.db),
      ...createInboxReads(store.db),
      ...createProviderReads(store.db),
      ...createUserReads(store.db),
      ...createListReads(store.db),
      ...createAudienceReads(store.db),
    },
    readPreferences: (query) => readPreferences(store.db, query, now()),
    commands,
    accept: createAccept(commands),
    planSend: createPlanSend({
      db: store.db,
      vault: secrets,
      builtIns: house.builtIns,
      links: previewLinks(house.publicUrl),
      now,
    }),
    log: eventLog,
    cursors: createCursors(secrets),
    signer: secrets,
    providers: house.providers,
    builtIns: house.builtIns,
    callbacks: house.callbacks,
    guard: house.guard,
    vault: secrets,
    tokenKeys: secrets.tokenKeys,
    maxListEntries: config.limits.listEntries,
    now,
  }
}

function contextOf(graph: Graph, input: Omit<Context, 'graph' | 'logHead'>): Context {
  let head: ReturnType<Context['logHead']> | undefined
  const context: Context = {
    ...input,
    graph,
    logHead() {
      head ??= graph.log.head(actorOf(context).environmentId)
      return head
    },
  }
  return context
}

async function closeAll(providers: readonly Provider[]): Promise<void> {
  await Promise.all(providers.map((provider) => provider.close?.()))
}
