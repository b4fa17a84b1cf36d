import { destination, pino } from 'pino'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createProviders } from '../../src/channels/index.ts'
import { createExpand } from '../../src/delivery/expand.ts'
import { builtInAccount } from '../../src/domain/account.ts'
import { createCommit } from '../../src/domain/command.ts'
import { createMemoryCarrier } from '../../src/log/memory.ts'
import { createQueue } from '../../src/queue/run.ts'
import { createSecrets } from '../../src/secrets.ts'
import { openStore } from '../../src/store/database.ts'
import { createTemplateVersions } from '../../src/store/template.ts'

/**
 * A worker that expands groups and delivers nothing, so that what is measured is the making and planning of messages. Its
 * own commits wake it, as they do in the app. Asked
 * for anything, it answers with the most memory it has held since it was asked last, in bytes.
 */
const store = await openStore({ url: process.env.DATABASE_URL!, poolSize: 8 })
const vault = createSecrets([Buffer.alloc(32, 7)])
const providers = createProviders()
const now = () => new Date()
const builtIns = providers.map((provider) => builtInAccount(provider, {}, now()))
const guard = createAddressGuard({ allowedNetworks: [], own: [] })
const carrier = createMemoryCarrier()
const complain = (what: object, words: string) => void process.stderr.write(`${words} ${JSON.stringify(what)}\n`)
const log = { info() {}, warn: complain, error: complain }
const commit = createCommit({ db: store.db, providers, guard, vault, now, published: () => {}, wake: carrier.wake })
const queue = createQueue({
  db: store.db,
  log,
  leaseSeconds: 60,
  slots: { single: 0, bulk: 4, webhook: 0, upkeep: 0 },
  onlyProcess: false,
  performers: {
    expand: createExpand({
      db: store.db,
      versions: createTemplateVersions(),
      commit,
      builtIns,
      vault,
      now,
      log: pino({ level: 'error' }, destination(2)),
    }),
  },
  onWake: carrier.onWake,
})

let most = 0
const look = setInterval(() => {
  most = Math.max(most, process.memoryUsage.rss())
}, 20)
process.on('message', () => {
  process.send!(Math.max(most, process.memoryUsage.rss()))
  most = 0
})
process.on('SIGTERM', async () => {
  clearInterval(look)
  await queue.stop({ deadlineMs: 5_000 })
  await store.close()
  process.exit(0)
})
await queue.start()
process.stdout.write(`${JSON.stringify({ url: 'none' })}\n`)
