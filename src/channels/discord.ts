import { createHash } from 'node:crypto'
import { z } from 'zod'
import { classifyHttp, classifySaid, type Meaning, readJson } from './answer.ts'
import {
  beforehand,
  chatTextOf,
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
import { type DiscordMessage, writeDiscord, writeDiscordText } from './discord-markdown.ts'
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

/**
 * Discord. Sources: the Discord Developer Documentation, "API Reference", "Messages Resource" (Create Message), "Users
 * Resource" (Create DM), "Webhook Resource" (Execute Webhook), "Rate Limits" and "Opcodes and Status Codes" (JSON).
 */

const settings = z.object({
  token: secret(
    z
      .string()
      .regex(/^[\x21-\x7e]{20,200}$/, "must be a bot's token, without 'Bot ' before it")
      .optional()
      .describe("The bot's token; webhooks go without"),
  ),
})

type DiscordSettings = z.infer<typeof settings>
type DiscordTarget = TargetOf<'discord'>

const API = 'https://discord.com/api/v10'
const LONGEST_TEXT = 2_000
const LONGEST_NONCE = 25
/** Discord refuses clients that do not say so what they are. */
const USER_AGENT = { 'user-agent': 'DiscordBot (Carillon, 1.0)' }

/** What Discord's error codes say; one that is not here is what its HTTP status says. */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  10003: 'address', // Unknown channel
  10004: 'address', // Unknown guild
  10013: 'address', // Unknown user
  10015: 'address', // Unknown webhook
  20009: 'content', // Explicit content cannot be sent to the recipient
  20016: 'retry', // Slow mode
  20028: 'retry', // Write rate limit of the channel
  20029: 'retry', // Write rate limit of the server
  40003: 'retry', // Direct messages are opened too fast
  40005: 'content', // The request is too large
  50001: 'address', // No access to it
  50006: 'content', // Empty message
  50007: 'address', // This user takes no messages of the bot
  50008: 'address', // Not a channel of text
  50013: 'address', // No permission there
  50024: 'address', // Not in this kind of channel
  50027: 'address', // The webhook's token is invalid
  50035: 'content', // A field of the form, such as an embed, is wrong
  50083: 'address', // The thread is archived
  50278: 'address', // No server in common with this user
  200000: 'content', // Blocked by AutoMod
  200001: 'content', // Title blocked by AutoMod
}

/** Discord: channels and users by a bot, which tells a repetition by its nonce for some minutes, and webhooks, which do not. */
export const discord: Provider<DiscordSettings> = {
  kind: 'discord',
  channel: 'DIRECT_MESSAGE',
  name: 'Discord',
  settings,
  deliver,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<DiscordSettings>): Promise<Outcome> {
  const embeds = nativeBlocks(outgoing, isEmbeds)
  const written = embeds ? null : writeDiscord(outgoing.content, outgoing.address.chat?.to !== 'webhookUrl')
  const needsNoText = written !== null || (embeds !== undefined && chatTextOf(outgoing.content) === '')
  const message = readChatMessage('discord', outgoing, needsNoText ? null : LONGEST_TEXT)
  if (isOutcome(message)) return message
  const { target } = message
  const body = { ...(written ?? withEmbeds(writeDiscordText(message.text), embeds)), ...NO_MENTIONS }
  if (target.to === 'webhookUrl') return postToWebhook(target.value, body, outgoing, context)

  const { token } = context.settings
  if (token === undefined) {
    return { kind: 'rejected', what: 'request', error: "The account has no token, which Discord's channels and users take." }
  }
  return postAsBot(target, token, body, outgoing, context)
}

type Body = Readonly<Record<string, unknown>>

/** No mention in the text notifies anybody, unless an override allows it. */
const NO_MENTIONS = { allowed_mentions: { parse: [] } }

function withEmbeds(text: DiscordMessage, embeds: readonly object[] = []): DiscordMessage {
  return embeds.length === 0 ? text : { ...text, embeds: [...(text.embeds ?? []), ...embeds] }
}

/** Embeds of another service are left out: the text says the same. */
function isEmbeds(blocks: unknown): blocks is readonly object[] {
  const isEmbed = (one: unknown) =>
    one !== null && typeof one === 'object' && [undefined, 'rich'].includes(Reflect.get(one, 'type'))
  return Array.isArray(blocks) && blocks.length > 0 && blocks.every(isEmbed)
}

/** `wait`: the answer comes when the message is there, and names it. */
async function postToWebhook(
  webhookUrl: string,
  body: Body,
  outgoing: Outgoing,
  { http, signal, now }: DeliverContext<DiscordSettings>,
): Promise<Outcome> {
  const url = new URL(webhookUrl)
  url.searchParams.set('wait', 'true')
  const payload = applyOverride(body, outgoing.override, {})
  const call = { ...postJson(url.href, payload, outgoing, USER_AGENT), signal, maxBytes: MAX_ECHO_BYTES }
  const answer = readAnswer(await http.request(call), now)
  return isOutcome(answer) ? ofThePlace(answer) : { kind: 'accepted', code: '200', reference: answer.id }
}

async function postAsBot(
  target: DiscordTarget,
  token: string,
  body: Body,
  outgoing: Outgoing,
  { http, signal, now }: DeliverContext<DiscordSettings>,
): Promise<Outcome> {
  const call = async (request: HttpCall) =>
    readAnswer(await http.request({ ...request, signal, trusted: true, maxBytes: MAX_ECHO_BYTES }), now)
  const headers = { ...USER_AGENT, authorization: `Bot ${token}` }
  let channel = target.value
  if (target.to === 'userId') {
    const opened = await call(postJson(`${API}/users/@me/channels`, { recipient_id: target.value }, outgoing, headers))
    if (isOutcome(opened)) return beforehand(opened)
    channel = opened.id
  }
  const payload = applyOverride(body, outgoing.override, { nonce: nonceOf(outgoing), enforce_nonce: true })
  const posted = await call(postJson(`${API}/channels/${channel}/messages`, payload, outgoing, headers))
  return isOutcome(posted) ? posted : { kind: 'accepted', code: '200', reference: posted.id }
}

function nonceOf({ idempotencyKey }: Outgoing): string {
  return createHash('sha256').update(idempotencyKey).digest('base64url').slice(0, LONGEST_NONCE)
}

const success = z.object({ id: z.string().regex(/^\d+$/) })
const failure = z.object({
  code: z.number().catch(0),
  message: z.string().catch(''),
  retry_after: z.number().positive().optional(),
})

function readAnswer(reply: HttpReply, now: Date): z.infer<typeof success> | Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const json = readJson(reply.body)
  if (isSuccess(reply)) return success.safeParse(json).data ?? unreadable('Discord')
  const { data } = failure.safeParse(json)
  if (data === undefined) return withoutBlame(classifyHttp(reply, now), reply.status)
  const code = data.code === 0 ? String(reply.status) : String(data.code)
  const known = MEANINGS[data.code]
  const outcome = classifySaid('Discord', reply, { code, words: data.message, ...(known && { meaning: known }) }, now)
  if (outcome.kind !== 'retry' || data.retry_after === undefined) return withoutBlame(outcome, reply.status)
  // In seconds and finer than the header.
  return { ...outcome, afterMs: Math.max(outcome.afterMs ?? 0, Math.min(Math.ceil(data.retry_after * 1_000), LONGEST_WAIT_MS)) }
}

const LONGEST_WAIT_MS = 72 * 3_600_000

/** 403 is about what was asked for; that the bot itself is not known is 401. */
function withoutBlame(outcome: Outcome, status: number): Outcome {
  return outcome.kind === 'misconfigured' && status === 403 ? { ...outcome, kind: 'rejected', what: 'request' } : outcome
}
