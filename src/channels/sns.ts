import { verify, X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { readJson } from './answer.ts'
import { forged, isFresh, malformed } from './callback.ts'
import type { Callback, CallbackContext, CallbackReading, HttpDoor } from './provider.ts'

/**
 * What Amazon SNS posts to an HTTPS endpoint. Sources: AWS's pages "Verifying the signatures of Amazon SNS messages", "Parsing
 * Amazon SNS message formats" and "Confirming the subscription".
 */

/** `arn:aws:sns:eu-west-1:123456789012:mail-events`; the first group is its region. */
export const TOPIC_ARN = /^arn:aws(?:-us-gov)?:sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[A-Za-z0-9_-]{1,256}$/

const CERTIFICATE_PATH = /^\/SimpleNotificationService-[A-Za-z0-9]{1,128}\.pem$/
const CERTIFICATES_KEPT = 20
const CERTIFICATE_KEPT_MS = 24 * 3_600_000

const envelope = z.object({
  Type: z.enum(['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']),
  Message: z.string(),
  MessageId: z.string(),
  Subject: z.string().nullish(),
  SubscribeURL: z.string().optional(),
  Timestamp: z.string(),
  Token: z.string().optional(),
  TopicArn: z.string(),
  SignatureVersion: z.enum(['1', '2']),
  Signature: z.string(),
  SigningCertURL: z.string(),
})

type Envelope = z.infer<typeof envelope>

/** The message of a notification; or, where there is none to read, what the callback comes to. */
export type SnsReading = { readonly kind: 'notification'; readonly message: string } | CallbackReading

/** Reads what SNS posts; keeps the certificates it has verified with for a day. */
export function createSnsReader() {
  const certificates = new LRUCache<string, X509Certificate>({ max: CERTIFICATES_KEPT, ttl: CERTIFICATE_KEPT_MS })

  async function certificateAt(url: string, http: HttpDoor): Promise<X509Certificate | null> {
    const known = certificates.get(url)
    if (known) return known
    const reply = await http.request({ method: 'GET', url, trusted: true })
    const certificate = reply.kind === 'answered' && reply.status === 200 ? readCertificate(reply.body) : null
    if (certificate) certificates.set(url, certificate)
    return certificate
  }

  /**
   * Believes nothing that is not of `topicArn`, signed with a certificate of the topic's own SNS host, and fresh. A topic that
   * asks whether it may post here is told yes. Nothing else in a body is ever called.
   */
  return async (
    { body }: Callback,
    topicArn: string,
    { http, now }: Omit<CallbackContext<never>, 'settings'>,
  ): Promise<SnsReading> => {
    const { data } = envelope.safeParse(readJson(Buffer.from(body).toString('utf8')))
    if (!data) return forged('The callback is not signed as by Amazon SNS.')
    if (data.TopicArn !== topicArn) return forged('The callback is of another topic.')
    const host = `sns.${TOPIC_ARN.exec(topicArn)![1]}.amazonaws.com`
    if (!isOn(host, data.SigningCertURL, CERTIFICATE_PATH)) return forged('The certificate is not one of Amazon SNS.')
    const certificate = await certificateAt(data.SigningCertURL, http)
    if (!certificate) return forged('The certificate could not be fetched.')
    if (!isSigned(data, certificate, now)) return forged('The signature is not one of Amazon SNS.')
    if (!isFresh(Date.parse(data.Timestamp), now)) return forged('The callback is older than five minutes.')

    if (data.Type === 'Notification') return { kind: 'notification', message: data.Message }
    if (data.Type === 'UnsubscribeConfirmation') return { kind: 'reports', reports: [] }
    return confirm(data, host, http)
  }
}

async function confirm({ SubscribeURL: url = '' }: Envelope, host: string, http: HttpDoor): Promise<CallbackReading> {
  const isConfirmation = isOn(host, url, /^\/$/) && new URL(url).searchParams.get('Action') === 'ConfirmSubscription'
  if (!isConfirmation) return malformed('The subscription has no URL of Amazon SNS to be confirmed at.')
  const reply = await http.request({ method: 'GET', url, trusted: true })
  const isDone = reply.kind === 'answered' && reply.status === 200
  return isDone ? { kind: 'reports', reports: [] } : malformed('The subscription could not be confirmed.')
}

/** Whether a URL is one of https at the very host, without a port or a login, and a path that matches. */
function isOn(host: string, text: string, path: RegExp): boolean {
  const url = URL.parse(text)
  if (!url || url.origin !== `https://${host}` || url.username !== '' || url.password !== '') return false
  return path.test(url.pathname)
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}

function isSigned(data: Envelope, certificate: X509Certificate, now: Date): boolean {
  if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo)) return false
  const names =
    data.Type === 'Notification'
      ? (['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const)
      : (['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const)
  const text = names.flatMap((name) => (data[name] == null ? [] : [`${name}\n${data[name]}\n`])).join('')
  const algorithm = data.SignatureVersion === '2' ? 'RSA-SHA256' : 'RSA-SHA1'
  return verify(algorithm, Buffer.from(text), certificate.publicKey, Buffer.from(data.Signature, 'base64'))
}
