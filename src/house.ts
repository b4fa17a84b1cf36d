import type { Logger } from 'pino'
import type { AddressGuard, HttpDoor, Provider } from './channels/provider.ts'
import type { Config } from './config.ts'
import type { BuiltInAccount } from './domain/account.ts'
import type { CallbackLinks } from './domain/callback-link.ts'
import type { Links } from './domain/link.ts'
import type { TrackingLinks } from './domain/tracking-link.ts'
import type { Carrier } from './log/carrier.ts'
import type { LogEvent } from './log/event.ts'
import type { Log } from './log/follow.ts'
import type { Metrics } from './observe.ts'
import type { RenderPool } from './render/pool.ts'
import type { Secrets } from './secrets.ts'
import type { Store } from './store/database.ts'
import type { TemplateVersions } from './store/template.ts'

/** Everything that was built before the two roles. */
export interface House {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly store: Store
  /** Versions of templates as this process has read them. */
  readonly versions: TemplateVersions
  readonly secrets: Secrets
  readonly carrier: Carrier
  readonly eventLog: Log
  /** To be called with what a transaction wrote to the log, after its commit. */
  published(events: readonly LogEvent[]): void
  readonly guard: AddressGuard
  readonly http: HttpDoor
  readonly renderer: RenderPool
  readonly providers: readonly Provider[]
  readonly builtIns: readonly BuiltInAccount[]
  /** Where people reach us. */
  readonly publicUrl: () => string
  readonly links: Links
  readonly trackingLinks: TrackingLinks
  readonly callbacks: CallbackLinks
  readonly now: () => Date
  readonly random: () => number
}
