import { createDecipheriv, createECDH, type ECDH, hkdfSync, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { type MailServer, startMailServer } from './demo-mail-server.ts'

/** The world that messages go out to, played on the loopback interface: somebody's webhook, a browser's push service, a mail server. */
export interface Outside {
  readonly webhookUrl: string
  /** What the sender has to sign with: `whsec_…`. */
  readonly webhookSecret: string
  /** Those whose signature and age were right. */
  readonly webhooks: readonly { readonly data: { readonly title: string } }[]
  /** As a browser's `PushSubscription` has it. */
  readonly subscription: {
    readonly endpoint: string
    readonly keys: { readonly p256dh: string; readonly auth: string }
  }
  /** Those that this browser could read. */
  readonly pushes: readonly { readonly title: string }[]
  readonly mail: MailServer
  /** Sentences about what could not be verified or read. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

export async function openOutside(): Promise<Outside> {
  const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`
  const browser = { keys: createECDH('prime256v1'), auth: randomBytes(16) }
  browser.keys.generateKeys()
  const webhooks: Outside['webhooks'][number][] = []
  const pushes: Outside['pushes'][number][] = []
  const complaints: string[] = []

  const take = async (request: IncomingMessage) => {
    const body = await buffer(request)
    if (request.url === '/webhook') {
      const verified = new Webhook(webhookSecret).verify(body, request.headers as Record<string, string>)
      webhooks.push(verified as Outside['webhooks'][number])
    } else {
      pushes.push(JSON.parse(decryptPush(body, browser.keys, browser.auth)))
    }
  }
  const server = createServer((request, response) => {
    take(request).then(
      () => response.writeHead(201).end(),
      (error: Error) => {
        complaints.push(error.message)
        response.writeHead(400).end()
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const mail = await startMailServer()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    webhookUrl: `${url}/webhook`,
    webhookSecret,
    webhooks,
    subscription: {
      endpoint: `${url}/push/${randomBytes(12).toString('base64url')}`,
      keys: { p256dh: browser.keys.getPublicKey('base64url'), auth: browser.auth.toString('base64url') },
    },
    pushes,
    mail,
    complaints,
    async close() {
      await mail.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const SALT_BYTES = 16
const TAG_BYTES = 16
/** Salt, record size (4), length of the sender's key (1). */
const KEY_AT = SALT_BYTES + 5

/** A push message as a browser reads it: RFC 8291 over the one record of RFC 8188. */
function decryptPush(body: Buffer, browser: ECDH, auth: Buffer): string {
  const salt = body.subarray(0, SALT_BYTES)
  const sender = body.subarray(KEY_AT, KEY_AT + body.readUInt8(KEY_AT - 1))
  const sealed = body.subarray(KEY_AT + sender.length)
  const shared = browser.computeSecret(sender)
  const keyInfo = Buffer.concat([Buffer.from('WebPush: info\0'), browser.getPublicKey(), sender])
  const secret = Buffer.from(hkdfSync('sha256', shared, auth, keyInfo, 32))
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: aes128gcm\0', 16))
  const nonce = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: nonce\0', 12))
  const decipher = createDecipheriv('aes-128-gcm', key, nonce).setAuthTag(sealed.subarray(-TAG_BYTES))
  const padded = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()])
  return padded.subarray(0, padded.lastIndexOf(2)).toString('utf8')
}
