import { z } from 'zod'
import { classifyHttp, classifySaid, type Meaning, quote, readJson } from './answer.ts'
import { isOutcome, isSuccess, MAX_ECHO_BYTES, postJson, readChatMessage, unreadable } from './chat.ts'
import { applyOverride } from './override.ts'
import { type DeliverContext, type HttpReply, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'
import { writeTelegram } from './telegram-html.ts'

/**
 * Telegram. Source: Telegram's page "Telegram Bot API" ("Making requests", "ResponseParameters", "sendMessage"). It lists no
 * errors, so what a description says is told by the words that the service is known to use.
 */

const settings = z.object({
  token: secret(
    z
      .string()
      .regex(/^\d{1,20}:[A-Za-z0-9_-]{30,64}$/, 'must be a token as @BotFather gives it: 123456:ABC-DEF…')
      .describe("The bot's token, as @BotFather gave it"),
  ),
})

type TelegramSettings = z.infer<typeof settings>

/** After entities are parsed; in a text that has no blocks, none are. */
const LONGEST_TEXT = 4_096
const LONGEST_WAIT_MS = 72 * 3_600_000

/** Telegram: chats that a bot is in. Nothing in a text is markup. The service tells no repetition. */
export const telegram: Provider<TelegramSettings> = {
  kind: 'telegram',
  channel: 'DIRECT_MESSAGE',
  name: 'Telegram',
  settings,
  deliver,
}

async function deliver(outgoing: Outgoing, { settings, http, signal, now }: DeliverContext<TelegramSettings>): Promise<Outcome> {
  const written = writeTelegram(outgoing.content)
  const message = readChatMessage('telegram', outgoing, written ? null : LONGEST_TEXT)
  if (isOutcome(message)) return message
  const own = { chat_id: message.target.value, method: undefined }
  const payload = applyOverride({ ...(written ?? { text: message.text }) }, outgoing.override, own)
  // The token stands in the path: no sentence of ours may name the URL.
  const url = `https://api.telegram.org/bot${settings.token}/sendMessage`
  const reply = await http.request({ ...postJson(url, payload, outgoing), signal, trusted: true, maxBytes: MAX_ECHO_BYTES })
  return classifyTelegram(reply, now)
}

const success = z.object({ ok: z.literal(true), result: z.object({ message_id: z.number() }) })
const failure = z.object({
  ok: z.literal(false),
  description: z.string().catch(''),
  parameters: z.object({ retry_after: z.number().positive().optional(), migrate_to_chat_id: z.number().optional() }).catch({}),
})

function classifyTelegram(reply: HttpReply, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const json = readJson(reply.body)
  const code = String(reply.status)
  if (isSuccess(reply)) {
    const { data } = success.safeParse(json)
    return data ? { kind: 'accepted', code, reference: String(data.result.message_id) } : unreadable('Telegram')
  }
  const { data } = failure.safeParse(json)
  if (data === undefined) return classifyHttp(reply, now)
  const { description, parameters } = data
  if (parameters.migrate_to_chat_id !== undefined) {
    const error = `The group has become a supergroup: its chat is ${parameters.migrate_to_chat_id} now.`
    return { kind: 'rejected', what: 'address', error, code }
  }
  const meaning = meaningOf(reply.status, description)
  const outcome = classifySaid('Telegram', reply, { code, words: quote(description), ...(meaning && { meaning }) }, now)
  if (outcome.kind !== 'retry' || parameters.retry_after === undefined) return outcome
  return { ...outcome, afterMs: Math.min(parameters.retry_after * 1_000, LONGEST_WAIT_MS) }
}

function meaningOf(status: number, description: string): Meaning | undefined {
  // The user blocked the bot or is gone, or the bot was put out of the group.
  if (status === 403) return 'address'
  // No bot has this token.
  if (status === 404) return 'login'
  if (status !== 400) return undefined
  if (
    /chat not found|user not found|PEER_ID_INVALID|deactivated|upgraded to a supergroup|no rights|not enough rights|need administrator rights|CHAT_WRITE_FORBIDDEN|CHAT_RESTRICTED|TOPIC_CLOSED/i.test(
      description,
    )
  ) {
    return 'address'
  }
  return /message is too long|text is empty|message must be non-empty|can't parse|entities too long|BUTTON_/i.test(description)
    ? 'content'
    : undefined
}
