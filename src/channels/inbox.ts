import { z } from 'zod'
import type { Provider } from './provider.ts'

const settings = z.object({})

/**
 * The in-app inbox. There is nobody to call: the transaction that records the message as sent also writes the inbox
 * message, so accepting is all there is to do.
 */
export const inbox: Provider<z.infer<typeof settings>> = {
  kind: 'inbox',
  channel: 'INBOX',
  name: 'Inbox',
  settings,
  async deliver() {
    return { kind: 'accepted' }
  },
}
