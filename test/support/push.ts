import { createECDH, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'

/** RFC 8188, as a browser would read it; the package has no types. */
const ece = createRequire(import.meta.url)('http_ece') as {
  decrypt(body: Buffer, options: { version: string; privateKey: unknown; authSecret: string }): Buffer
}

/** A browser that subscribed to web push: the keys it gives away, and how it reads what comes. */
export function newBrowser() {
  const keyPair = createECDH('prime256v1')
  const p256dh = keyPair.generateKeys().toString('base64url')
  const auth = randomBytes(16).toString('base64url')
  const read = (body: Buffer): unknown =>
    JSON.parse(ece.decrypt(body, { version: 'aes128gcm', privateKey: keyPair, authSecret: auth }).toString())
  return { keys: { p256dh, auth }, read }
}
