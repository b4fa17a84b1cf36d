import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Provider } from './channels/provider.ts'
import { newVapidKeys } from './channels/webpush.ts'
import type { Config } from './config.ts'
import { type BuiltInAccount, builtInAccount } from './domain/account.ts'
import { keptSecret } from './domain/foundation.ts'
import type { JsonObject } from './domain/json.ts'
import type { Secrets } from './secrets.ts'
import { type MailCatcher, startMailCatcher } from './server/mail.ts'
import type { Store } from './store/database.ts'
import type { Teardown } from './teardown.ts'

/** Catches what would be mailed, where no mail server is configured and this process delivers. */
export async function startMail(config: Config, undo: Teardown): Promise<MailCatcher | null> {
  if (config.mail.smtpUrl !== null || !config.roles.worker) return null
  const mail = await startMailCatcher({ dir: join(config.dataDir, 'mail') })
  undo.add('mail catcher', () => mail.stop())
  return mail
}

const CAUGHT_FROM = 'Carillon <carillon@localhost.localdomain>'

/** The accounts that exist at start: email, inbox, web push and webhook, with the settings of this process. */
export async function builtInAccounts(parts: {
  config: Config
  store: Store
  secrets: Secrets
  providers: readonly Provider[]
  mail: MailCatcher | null
  since: Date
}): Promise<readonly BuiltInAccount[]> {
  const { config, store, secrets, mail } = parts
  const vapid = JSON.parse(await keptSecret(store.db, secrets, 'vapid', () => JSON.stringify(newVapidKeys()))) as JsonObject
  const signing = await keptSecret(store.db, secrets, 'webhook', () => `whsec_${randomBytes(32).toString('base64')}`)
  const from = config.mail.from ?? CAUGHT_FROM
  const settings: { readonly [kind: string]: JsonObject } = {
    smtp: { url: config.mail.smtpUrl ?? mail?.url ?? 'smtp://127.0.0.1:25', from },
    inbox: {},
    webpush: {
      subject: config.http.publicUrl?.startsWith('https:') ? config.http.publicUrl : 'mailto:carillon@localhost',
      ...vapid,
    },
    webhook: { secret: signing },
  }
  return Object.entries(settings).map(([kind, own]) => {
    const provider = parts.providers.find((candidate) => candidate.kind === kind)!
    return builtInAccount(provider, own, parts.since)
  })
}
