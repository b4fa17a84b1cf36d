import { z } from 'zod'
import { startApp } from '../../src/app.ts'
import type { Provider } from '../../src/channels/provider.ts'
import { loadConfig } from '../../src/config.ts'
import { createObserver } from '../../src/observe.ts'

/** src/main.ts for a test, with a carrier of SMS that can be anywhere: those there are have fixed addresses. */

const settings = z.object({ url: z.string() })

const carrier: Provider<z.infer<typeof settings>> = {
  kind: 'carrier',
  channel: 'SMS',
  name: 'Carrier',
  settings,
  async deliver({ idempotencyKey, content }, { settings: { url }, http, signal }) {
    const body = JSON.stringify({ key: idempotencyKey, text: content.text })
    const reply = await http.request({ method: 'POST', url, body, signal, trusted: true })
    if (reply.kind === 'answered') return { kind: 'accepted', code: String(reply.status) }
    return { kind: reply.kind === 'unknown' ? 'unknown' : 'retry', error: 'The carrier did not answer.' }
  },
}

const config = loadConfig(process.env)
const app = await startApp(config, createObserver({ level: config.logLevel, pretty: false }), { providers: [carrier] })
process.once('SIGTERM', () => void app.stop().then(() => process.exit(0)))
