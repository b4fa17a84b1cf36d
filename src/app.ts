import type { Logger } from 'pino'
import { builtInAccounts, startMail } from './built-in.ts'
import { createAddressGuard } from './channels/address.ts'
import { createHttpDoor } from './channels/http.ts'
import { createProviders } from './channels/index.ts'
import type { Provider } from './channels/provider.ts'
import { type Config, ownHosts } from './config.ts'
import { createWebhookBell } from './delivery/webhook-bell.ts'
import { createCallbackLinks } from './domain/callback-link.ts'
import { createCommands, createCommit } from './domain/command.ts'
import { layFoundation } from './domain/foundation.ts'
import { createLinks } from './domain/link.ts'
import { createTrackingLinks } from './domain/tracking-link.ts'
import { createFront } from './front.ts'
import type { House } from './house.ts'
import { createLog } from './log/follow.ts'
import { createMemoryCarrier } from './log/memory.ts'
import { createRedisCarrier } from './log/redis.ts'
import type { Observer } from './observe.ts'
import { createRenderPool, type RenderPool } from './render/pool.ts'
import { createSecrets } from './secrets.ts'
import { openStore } from './store/database.ts'
import { type Embedded, startEmbedded } from './store/embedded.ts'
import { ensureGenerated } from './store/generated-secrets.ts'
import { migrate } from './store/migrate.ts'
import { createTemplateVersions } from './store/template.ts'
import { Teardown } from './teardown.ts'
import { createWorker } from './worker.ts'

/** What tests may put in the place of the outside world. Production passes none of it. */
export interface World {
  readonly now: () => Date
  /** In [0, 1). */
  readonly random: () => number
  /** Beside the providers of this build. */
  readonly providers: readonly Provider[]
  /** Of several apps; it outlives them. By default each has its own. */
  readonly renderer: RenderPool
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
    const ring = createWebhookBell({ db: store.db, wake: () => carrier.wake('webhook') })

    const guard = createAddressGuard({ allowedNetworks: config.allowedNetworks, own: ownHosts(config) })
    const http = createHttpDoor({ guard })
    undo.add('http', () => http.close())
    const renderer = world.renderer ?? openRenderer(log, undo)
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
      versions: createTemplateVersions(),
      secrets,
      carrier,
      eventLog,
      published(events) {
        eventLog.published(events)
        ring(events)
      },
      guard,
      http,
      renderer,
      providers,
      builtIns,
      publicUrl,
      links,
      trackingLinks: createTrackingLinks({ vault: secrets, publicUrl }),
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
      published: house.published,
      wake: carrier.wake,
    })
    const commands = createCommands(commit, secrets)
    const queue = config.roles.worker ? createWorker(house, commit, embedded !== null) : null
    const server = createFront(house, commit, commands, mail, undo)
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

function openRenderer(log: Logger, undo: Teardown): RenderPool {
  const renderer = createRenderPool({ log })
  undo.add('render threads', () => renderer.close())
  return renderer
}

async function closeAll(providers: readonly Provider[]): Promise<void> {
  await Promise.all(providers.map((provider) => provider.close?.()))
}
