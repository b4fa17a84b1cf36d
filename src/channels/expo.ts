import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, readJson, type Said } from './answer.ts'
import { applyOverride } from './override.ts'
import { type DeliverContext, type HttpReply, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'
import { alertOf, dataOf, MAX_PAYLOAD_BYTES, refusePush, TIME_TO_LIVE_SECONDS, tooBig } from './push.ts'

/** Expo's push service. Source: Expo's page "Send notifications with the Expo Push Service". */

const DEVICE_TOKEN = /^(?:Expo(?:nent)?PushToken\[[^\][\s]{1,200}\]|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i

const settings = z.object({
  accessToken: secret(
    z
      .string()
      .regex(/^[\x21-\x7e]{1,512}$/, 'must be printable ASCII without spaces')
      .optional()
      .describe('Access token, where the project wants one (enhanced push security)'),
  ),
})

type ExpoSettings = z.infer<typeof settings>

/** Push to apps made with Expo. It tells no repetition: an app knows one by the `messageId` in its data. */
export const expo: Provider<ExpoSettings> = {
  kind: 'expo',
  channel: 'PUSH',
  name: 'Expo',
  settings,
  deliver,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<ExpoSettings>): Promise<Outcome> {
  const refused = refusePush(outgoing, DEVICE_TOKEN)
  if (refused) return refused
  // Expo itself would say so only in a receipt, later.
  const payload = JSON.stringify({ ...alertOf(outgoing), data: dataOf(outgoing) })
  if (Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) return tooBig

  const { accessToken } = context.settings
  const reply = await context.http.request({
    method: 'POST',
    url: 'https://exp.host/--/api/v2/push/send',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
    },
    body: writeMessage(outgoing),
    signal: context.signal,
    trusted: true,
  })
  return classifyExpo(reply, context.now)
}

function writeMessage(outgoing: Outgoing): string {
  const icon = outgoing.extras?.icon
  const message = {
    ...alertOf(outgoing),
    data: dataOf(outgoing),
    ttl: TIME_TO_LIVE_SECONDS,
    ...(icon !== undefined && { richContent: { image: icon }, mutableContent: true }),
  }
  const own = { to: outgoing.address.id, data: { messageId: outgoing.messageId } }
  return JSON.stringify(applyOverride(message, outgoing.override, own))
}

const ticket = z.object({
  status: z.enum(['ok', 'error']),
  id: z.string().optional(),
  message: z.string().catch(''),
  details: z.object({ error: z.string().optional() }).optional().catch(undefined),
})
const answer = z.object({
  data: z.union([
    ticket,
    z
      .array(ticket)
      .length(1)
      .transform(([only]) => only!),
  ]),
})
const failed = z.object({ errors: z.array(z.object({ code: z.string(), message: z.string().catch('') })).min(1) })

/** What a code means; one that is not here means what its HTTP status says, and in a ticket, that the request was wrong. */
const MEANINGS: Readonly<Record<string, Said['meaning']>> = {
  DeviceNotRegistered: 'address',
  MessageTooBig: 'content',
  MessageRateExceeded: 'retry',
  // The credentials of the project that this token is of, whichever account sends to it. It may be mended: the token stays.
  MismatchSenderId: 'request',
  InvalidCredentials: 'request',
  TOO_MANY_REQUESTS: 'retry',
  UNAUTHORIZED: 'login',
}

function classifyExpo(reply: HttpReply, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const json = readJson(reply.body)
  const errors = failed.safeParse(json).data?.errors
  if (errors) return classifySaid('Expo', reply, saidOf(errors[0]!.code, errors[0]!.message), now)
  const said = answer.safeParse(json).data?.data
  if (said?.status === 'error') return classifySaid('Expo', reply, saidOf(said.details?.error ?? 'error', said.message), now)
  const outcome = classifyHttp(reply, now)
  return outcome.kind === 'accepted' && said?.id !== undefined ? { ...outcome, reference: said.id } : outcome
}

function saidOf(code: string, words: string): Said {
  const meaning = lookUp(MEANINGS, code)
  return { code, words, ...(meaning && { meaning }) }
}
