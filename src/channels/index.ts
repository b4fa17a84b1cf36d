import { inbox } from './inbox.ts'
import type { Provider } from './provider.ts'
import { createSmtp } from './smtp.ts'
import { webhook } from './webhook.ts'
import { webpush } from './webpush.ts'

/** Every provider this build knows. Some hold pooled connections, which their `close` lets go of. */
export function createProviders(): readonly Provider[] {
  return [createSmtp(), inbox, webpush, webhook]
}
