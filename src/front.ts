import { createAccept } from './domain/accept.ts'
import { createAuthenticate } from './domain/access.ts'
import { readAccount, settingsOf } from './domain/account.ts'
import { createAddBulkUsers } from './domain/bulk-user.ts'
import { createBulkWatch } from './domain/bulk-watch.ts'
import type { Commands, Commit } from './domain/command.ts'
import { previewLinks } from './domain/link.ts'
import { readPageBrand } from './domain/page-brand.ts'
import { createPlanSend } from './domain/plan-send.ts'
import { readPreferences } from './domain/preference.ts'
import { readLinkedPreferences, readLinkedTopic } from './domain/preference-link.ts'
import { createPreview, type ShowPreview } from './domain/preview.ts'
import { createPreviewLinks, type PreviewLinks } from './domain/preview-link.ts'
import { applyReports } from './domain/report.ts'
import { createRecordEngagement } from './domain/tracking.ts'
import { actorOf, type Context, type Graph } from './graphql/context.ts'
import { schema } from './graphql/schema.ts'
import type { House } from './house.ts'
import { createCursors } from './log/cursor.ts'
import { createCallbacks } from './server/callbacks.ts'
import type { MailCatcher } from './server/mail.ts'
import { createPreferencePages } from './server/preferences.ts'
import { createPreviewPages } from './server/previews.ts'
import type { RateLimiter } from './server/rate-limit.ts'
import { createMemoryRateLimiter } from './server/rate-memory.ts'
import { createRedisRateLimiter } from './server/rate-redis.ts'
import type { Route } from './server/route.ts'
import { createServer, type Server } from './server/server.ts'
import { createTracking } from './server/tracking.ts'
import { createAudienceReads } from './store/audience.read.ts'
import { createBulkReads } from './store/bulk.read.ts'
import { createInboxReads } from './store/inbox.read.ts'
import { createListReads } from './store/list.read.ts'
import { createMessageReads } from './store/message.read.ts'
import { createProviderReads } from './store/provider.read.ts'
import { createUserReads } from './store/user.read.ts'
import { createWebhookReads } from './store/webhook.read.ts'
import type { Teardown } from './teardown.ts'

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

/** What answers: HTTP, WebSocket and the pages. */
export function createFront(house: House, commit: Commit, commands: Commands, mail: MailCatcher | null, undo: Teardown): Server {
  const { config, store, secrets, now, metrics } = house
  const previews = createPreviews(house)
  const graph = createGraph(house, commands, previews, undo)
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
    rateLimiter: openRateLimiter(house, undo),
    authenticate: createAuthenticate({ db: store.db, tokenKeys: secrets.tokenKeys, now }),
    contextFor: (input) => contextOf(graph, input),
    routes: [
      ...(mail?.routes ?? []),
      ...createPages(house, commands),
      createPreviewPages(previews),
      createCallbackRoute(house, commit),
      createTrackingRoute(house, commit),
    ],
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

/** Where mails and apps tell what became of messages, served by a process of any role. */
function createTrackingRoute({ trackingLinks: links, metrics, log }: House, commit: Commit): Route {
  const record = createRecordEngagement(commit)
  return createTracking({
    links,
    metrics,
    log,
    record: ({ environmentId, ...way }, what) => record(environmentId, { ...way, what }),
  })
}

interface Previews {
  readonly preview: ShowPreview
  readonly links: PreviewLinks
}

function createPreviews({ store, versions, secrets, builtIns, renderer, publicUrl, now }: House): Previews {
  return {
    preview: createPreview({
      db: store.db,
      versions,
      vault: secrets,
      builtIns,
      renderer,
      links: previewLinks(publicUrl),
      now,
    }),
    links: createPreviewLinks({ vault: secrets, publicUrl, now }),
  }
}

function createGraph(house: House, commands: Commands, previews: Previews, undo: Teardown): Graph {
  const { config, store, secrets, eventLog, now, log } = house
  const bulkReads = createBulkReads(store.db)
  const bulkWatch = createBulkWatch({ reads: bulkReads, log })
  undo.add('bulk watch', () => bulkWatch.close())
  return {
    prisma: store.prisma,
    reads: {
      ...createMessageReads(store.db),
      ...bulkReads,
      ...createInboxReads(store.db),
      ...createProviderReads(store.db),
      ...createUserReads(store.db),
      ...createListReads(store.db),
      ...createAudienceReads(store.db),
      ...createWebhookReads(store.db),
    },
    readPreferences: (query) => readPreferences(store.db, query, now()),
    commands,
    accept: createAccept(commands, house.versions),
    bulkWatch,
    addBulkUsers: createAddBulkUsers({ ...house, db: store.db, commands }),
    planSend: createPlanSend({
      db: store.db,
      versions: house.versions,
      vault: secrets,
      builtIns: house.builtIns,
      renderer: house.renderer,
      links: previewLinks(house.publicUrl),
      now,
    }),
    preview: previews.preview,
    previewLinks: previews.links,
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
