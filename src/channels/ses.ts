import { AwsV4Signer } from 'aws4fetch'
import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, type Meaning, quote, readJson } from './answer.ts'
import { readEvents } from './callback.ts'
import { identityOf, keyOf, keySetting, type Mail, readMail, senderMeaning, senderSetting, tagsWith } from './mail.ts'
import { composeMime, writeMime } from './mime.ts'
import { applyOverride } from './override.ts'
import type {
  Callback,
  CallbackContext,
  CallbackReading,
  DeliverContext,
  HttpReply,
  Outcome,
  Outgoing,
  Provider,
  Report,
} from './provider.ts'
import { createSnsReader, TOPIC_ARN } from './sns.ts'

/**
 * Amazon Simple Email Service, API v2. Sources: AWS's pages "SendEmail" and "Common Errors" of the SES API v2 reference, "Amazon
 * SES API error codes", "Signature Version 4", and "Examples of event data that Amazon SES publishes to Amazon SNS".
 */

const settings = z.object({
  accessKeyId: z
    .string()
    .regex(/^[A-Z0-9]{16,128}$/, 'must be an access key id')
    .describe('Access key id of a user that may send (ses:SendEmail)'),
  secretAccessKey: keySetting('Secret access key'),
  region: z
    .string()
    .regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/, 'must be a region such as eu-west-1')
    .describe('AWS region to send from: eu-west-1'),
  from: senderSetting(),
  configurationSetName: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be letters, digits, _ and -')
    .optional()
    .describe('Configuration set that publishes events to the SNS topic'),
  topicArn: z
    .string()
    .regex(TOPIC_ARN, 'must be arn:aws:sns:region:account:name')
    .optional()
    .describe('ARN of the SNS topic that the events come by; without it no callback counts'),
})

type SesSettings = z.infer<typeof settings>

/** What an exception means; one that is not here means what its HTTP status says. */
const MEANINGS: Readonly<Record<string, Meaning | 'sender'>> = {
  AccountSuspendedException: 'misconfigured',
  SendingPausedException: 'misconfigured',
  UnrecognizedClientException: 'login',
  InvalidClientTokenId: 'login',
  SignatureDoesNotMatch: 'login',
  MailFromDomainNotVerifiedException: 'sender',
  // The configuration set, most of all.
  NotFoundException: 'misconfigured',
  // The sending quota of the day, or the rate.
  LimitExceededException: 'retry',
  TooManyRequestsException: 'retry',
  Throttling: 'retry',
  ThrottlingException: 'retry',
  MessageRejected: 'content',
}

/** Email by Amazon SES. It tells no repetition; a tag carries the key, which the events of a configuration set give back. */
export function createSes(): Provider<SesSettings> {
  const readSns = createSnsReader()
  return {
    kind: 'ses',
    channel: 'EMAIL',
    name: 'Amazon SES',
    settings,
    deliver,
    readCallback: (callback, context) => readCallback(callback, context, readSns),
  }
}

async function deliver(outgoing: Outgoing, context: DeliverContext<SesSettings>): Promise<Outcome> {
  const mail = readMail(outgoing, context.settings.from)
  if ('kind' in mail) return mail
  const body = JSON.stringify(await writeRequest(mail, outgoing, context))
  const { accessKeyId, secretAccessKey, region } = context.settings
  const url = `https://email.${region}.amazonaws.com/v2/email/outbound-emails`
  const signed = await new AwsV4Signer({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json' },
    body,
    accessKeyId,
    secretAccessKey,
    region,
    service: 'ses',
    datetime: context.now.toISOString().replace(/[:-]|\.\d{3}/g, ''),
  }).sign()
  const headers = Object.fromEntries(signed.headers)
  const reply = await context.http.request({ method: 'POST', url, headers, body, signal: context.signal, trusted: true })
  return classify(reply, outgoing, context.now)
}

async function writeRequest(mail: Mail, { idempotencyKey, override }: Outgoing, { settings, now }: DeliverContext<SesSettings>) {
  const source = await writeMime(composeMime(mail, { idempotencyKey, date: now }))
  const body = { ...(settings.configurationSetName && { ConfigurationSetName: settings.configurationSetName }) }
  const addresses = (mailboxes: Mail['cc']) => mailboxes.map(({ address }) => address)
  const tags = Object.entries(identityOf(mail, idempotencyKey)).map(([Name, Value]) => ({ Name, Value }))
  const own = {
    Destination: { ToAddresses: [mail.to.address], CcAddresses: addresses(mail.cc), BccAddresses: addresses(mail.bcc) },
    Content: { Raw: { Data: source.toString('base64') }, Simple: undefined, Template: undefined },
    EmailTags: tagsWith(tags, override?.EmailTags, 'Name'),
  }
  return applyOverride(body, override, own)
}

const taken = z.object({ MessageId: z.string() })
const failed = z.object({ message: z.string().optional(), Message: z.string().optional(), __type: z.string().optional() })

function classify(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const json = readJson(reply.body)
  if (reply.status >= 200 && reply.status < 300) {
    const { data } = taken.safeParse(json)
    return { kind: 'accepted', code: String(reply.status), ...(data && { reference: data.MessageId }) }
  }
  const { message, Message, __type } = failed.safeParse(json).data ?? {}
  const exception = readException(reply.headers['x-amzn-errortype'] ?? __type ?? '')
  const words = message ?? Message ?? ''
  const meaning = meaningOf(exception, words, outgoing)
  return classifySaid('Amazon SES', reply, { code: exception || String(reply.status), words, ...(meaning && { meaning }) }, now)
}

/** `MessageRejected:http://internal.amazon.com/…` in the header, `com.amazonaws.ses#MessageRejected` in the body. */
function readException(text: string): string {
  return text.split(':')[0]!.split('#').at(-1)!.slice(0, 64)
}

function meaningOf(exception: string, words: string, outgoing: Outgoing): Meaning | undefined {
  // Said of senders; of recipients too, while the account is in the sandbox.
  if (exception === 'MessageRejected' && /not verified/i.test(words)) return senderMeaning(outgoing)
  if (exception === 'BadRequestException' && /message length|too long|attachment|size/i.test(words)) return 'content'
  const meaning = lookUp(MEANINGS, exception)
  return meaning === 'sender' ? senderMeaning(outgoing) : meaning
}

// ── Callbacks ────────────────────────────────────────────────────────────────

const bounced = z.object({
  bounceType: z.string(),
  timestamp: z.string(),
  bouncedRecipients: z.array(z.object({ emailAddress: z.string(), diagnosticCode: z.string().optional() })),
})
const event = z.object({
  eventType: z.string(),
  mail: z.object({ timestamp: z.string(), tags: z.record(z.string(), z.array(z.string())).optional() }),
  delivery: z
    .object({ timestamp: z.string(), recipients: z.array(z.string()) })
    .optional()
    .catch(undefined),
  bounce: bounced.optional().catch(undefined),
  reject: z.object({ reason: z.string() }).optional().catch(undefined),
})

async function readCallback(
  callback: Callback,
  { settings, http, now }: CallbackContext<SesSettings>,
  readSns: ReturnType<typeof createSnsReader>,
): Promise<CallbackReading> {
  if (settings.topicArn === undefined) return { kind: 'forged', error: 'The account has no topic.' }
  const reading = await readSns(callback, settings.topicArn, { http, now })
  if (reading.kind !== 'notification') return reading
  // SES also says in plain words that it has found the topic.
  const { data } = event.safeParse(readJson(reading.message))
  return readEvents(data ? [data] : [], () => readEvent(data!))
}

function readEvent({ eventType, mail, delivery, bounce, reject }: z.infer<typeof event>): Report | null {
  const report = (
    what: Report['what'],
    timestamp: string,
    recipients: readonly string[] | null,
    error?: string,
  ): Report | null => {
    const fields = Object.fromEntries(Object.entries(mail.tags ?? {}).map(([name, values]) => [name, values[0]]))
    const key = keyOf(fields, recipients)
    const at = new Date(timestamp)
    return key === null || Number.isNaN(at.getTime())
      ? null
      : { key, what, at, ...(error !== undefined && { error: quote(error) }) }
  }
  if (eventType === 'Delivery' && delivery) return report('delivered', delivery.timestamp, delivery.recipients)
  // A transient bounce may be an answer from somebody who is away, and got the mail.
  if (eventType === 'Bounce' && bounce?.bounceType === 'Permanent') {
    const recipients = bounce.bouncedRecipients.map(({ emailAddress }) => emailAddress)
    return report('bounced', bounce.timestamp, recipients, bounce.bouncedRecipients[0]?.diagnosticCode || 'Permanent bounce')
  }
  if (eventType === 'Reject' && reject) return report('bounced', mail.timestamp, null, reject.reason)
  return null
}
