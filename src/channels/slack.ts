import { createHash } from 'node:crypto'
import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, type Meaning, readJson } from './answer.ts'
import {
  beforehand,
  isOutcome,
  isSuccess,
  MAX_ECHO_BYTES,
  ofThePlace,
  postJson,
  readChatMessage,
  type TargetOf,
  unreadable,
} from './chat.ts'
import { nativeBlocks } from './chat-block.ts'
import { escapeSlack } from './chat-escape.ts'
import { applyOverride } from './override.ts'
import {
  type DeliverContext,
  type HttpCall,
  type HttpReply,
  type Outcome,
  type Outgoing,
  type Provider,
  secret,
} from './provider.ts'
import { writeSlackBlocks } from './slack-block.ts'

/**
 * Slack. Sources: Slack's pages "chat.postMessage", "conversations.open", "users.lookupByEmail" (their lists of errors),
 * "Rate limits", "Formatting message text" and "Sending messages using incoming webhooks" with "Handling errors".
 */

const settings = z.object({
  token: secret(
    z
      .string()
      .regex(/^xox[\x21-\x7e]{6,509}$/, 'must be a token of Slack, like xoxb-…')
      .optional()
      .describe("The bot's token, xoxb-…; incoming webhooks, and places that bring their own token, go without"),
  ),
})

type SlackSettings = z.infer<typeof settings>
type SlackTarget = TargetOf<'slack'>

const API = 'https://slack.com/api'
/** Longer texts are cut by Slack, without a word. */
const LONGEST_TEXT = 40_000

/** What Slack's errors say; one that is not here is about the request. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ...meaning(
    'address',
    'channel_not_found not_in_channel is_archived user_not_found users_not_found user_not_visible user_disabled cannot_dm_bot',
    'messages_tab_disabled restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel',
    'restricted_action_non_threadable_channel channel_is_archived no_permission',
  ),
  ...meaning(
    'content',
    'msg_too_long no_text invalid_blocks invalid_blocks_format msg_blocks_too_long too_many_attachments invalid_attachments',
    'attachment_payload_limit_exceeded too_many_contact_cards markdown_text_conflict invalid_payload',
  ),
  ...meaning(
    'retry',
    'ratelimited rate_limited message_limit_exceeded service_unavailable internal_error fatal_error request_timeout',
    'team_added_to_org rollup_error',
  ),
  ...meaning('login', 'not_authed invalid_auth account_inactive token_revoked token_expired not_allowed_token_type'),
}

function meaning(what: Meaning, ...codes: readonly string[]): Record<string, Meaning> {
  return Object.fromEntries(codes.flatMap((line) => line.split(' ')).map((code) => [code, what]))
}

/**
 * Slack: channels and members by a bot, and incoming webhooks. chat.postMessage names `client_msg_id` among its errors alone;
 * it is given, and our key stands in the message's metadata for whoever looks.
 */
export const slack: Provider<SlackSettings> = {
  kind: 'slack',
  channel: 'DIRECT_MESSAGE',
  name: 'Slack',
  settings,
  deliver,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<SlackSettings>): Promise<Outcome> {
  const blocks = nativeBlocks(outgoing, isBlocks) ?? writeSlackBlocks(outgoing.content)
  const message = readChatMessage('slack', outgoing, blocks ? null : LONGEST_TEXT)
  if (isOutcome(message)) return message
  const { target, text } = message
  // With blocks the text is what a notification shows.
  const body = { ...(text !== '' && { text: escapeSlack(text) }), mrkdwn: false, ...(blocks && { blocks }) }
  if (target.to === 'webhookUrl') return postToWebhook(target.value, body, outgoing, context)

  const token = target.accessToken ?? context.settings.token
  if (token === undefined) {
    return { kind: 'rejected', what: 'request', error: "The account has no token, which Slack's channels and members take." }
  }
  const outcome = await postAsBot(target, token, body, outgoing, context)
  return target.accessToken === undefined ? outcome : ofThePlace(outcome)
}

type Body = Readonly<Record<string, unknown>>

/** Blocks of another service are left out: the text says the same. */
function isBlocks(blocks: unknown): blocks is readonly { readonly type: string }[] {
  return Array.isArray(blocks) && blocks.length > 0 && blocks.every((block) => typeof block?.type === 'string')
}

async function postToWebhook(
  url: string,
  body: Body,
  outgoing: Outgoing,
  { http, signal, now }: DeliverContext<SlackSettings>,
): Promise<Outcome> {
  const payload = applyOverride(body, outgoing.override, { channel: undefined })
  const reply = await http.request({ ...postJson(url, payload, outgoing), signal })
  if (reply.kind !== 'answered' || isSuccess(reply)) return classifyHttp(reply, now)
  const code = /^\w{1,64}$/.test(reply.body.trim()) ? reply.body.trim() : String(reply.status)
  // A webhook that is gone, switched off or forbidden is so for this place alone.
  const ofStatus = [401, 403, 404, 410].includes(reply.status) ? 'address' : undefined
  const known = lookUp(MEANINGS, code) ?? ofStatus
  return ofThePlace(classifySaid('Slack', reply, { code, words: '', ...(known && { meaning: known }) }, now))
}

async function postAsBot(
  target: SlackTarget,
  token: string,
  body: Body,
  outgoing: Outgoing,
  context: DeliverContext<SlackSettings>,
): Promise<Outcome> {
  const call = async (request: HttpCall) =>
    readAnswer(
      await context.http.request({ ...request, signal: context.signal, trusted: true, maxBytes: MAX_ECHO_BYTES }),
      context.now,
    )
  const authorization = { authorization: `Bearer ${token}` }
  const channel = await findChannel(target, authorization, outgoing, call)
  if (typeof channel !== 'string') return beforehand(channel)

  const own = {
    channel,
    client_msg_id: asUuid(outgoing.idempotencyKey),
    metadata: { event_type: 'carillon_message', event_payload: { key: outgoing.idempotencyKey } },
    token: undefined,
  }
  const payload = applyOverride(body, outgoing.override, own)
  const posted = await call(postJson(`${API}/chat.postMessage`, payload, outgoing, authorization))
  if (isOutcome(posted)) return posted
  const reference = posted.ts === undefined ? undefined : `${posted.channel?.id ?? channel}/${posted.ts}`
  return { kind: 'accepted', code: '200', ...(reference !== undefined && { reference }) }
}

/** The channel to post in: for a member, that of the direct messages with the bot. */
async function findChannel(
  target: SlackTarget,
  authorization: Readonly<Record<string, string>>,
  outgoing: Outgoing,
  call: (request: HttpCall) => Promise<Answer | Outcome>,
): Promise<string | Outcome> {
  if (target.to === 'channel') return target.value
  let users = target.value
  if (target.to === 'email') {
    // The one method of these that takes no JSON.
    const headers = { ...authorization, 'content-type': 'application/x-www-form-urlencoded' }
    const email = new URLSearchParams({ email: target.value }).toString()
    const found = await call({ method: 'POST', url: `${API}/users.lookupByEmail`, headers, body: email })
    if (isOutcome(found)) return found
    if (found.user === undefined) return unreadable('Slack')
    users = found.user.id
  }
  const opened = await call(postJson(`${API}/conversations.open`, { users }, outgoing, authorization))
  if (isOutcome(opened)) return opened
  return opened.channel?.id ?? unreadable('Slack')
}

/** Of each method what is needed; chat.postMessage names its channel by the id alone. */
const success = z.object({
  ok: z.literal(true),
  user: z.object({ id: z.string() }).optional(),
  channel: z.union([z.string().transform((id) => ({ id })), z.object({ id: z.string() })]).optional(),
  ts: z.string().optional(),
})
const failure = z.object({ ok: z.literal(false), error: z.string() })

type Answer = z.infer<typeof success>

/** Slack answers 200 to nearly everything; whether it did what was asked stands in the body. */
function readAnswer(reply: HttpReply, now: Date): Answer | Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const json = readJson(reply.body)
  const taken = success.safeParse(json)
  if (isSuccess(reply) && taken.success) return taken.data
  const refused = failure.safeParse(json)
  if (!refused.success) return isSuccess(reply) ? unreadable('Slack') : classifyHttp(reply, now)
  const { error: code } = refused.data
  const known = lookUp(MEANINGS, code)
  return classifySaid('Slack', reply, { code, words: '', ...(known && { meaning: known }) }, now)
}

/** A UUID of version 8 (RFC 9562), from a hash. */
function asUuid(key: string): string {
  const hex = createHash('sha256').update(key).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
