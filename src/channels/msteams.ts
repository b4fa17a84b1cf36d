import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, type Meaning, readJson } from './answer.ts'
import { beforehand, isOutcome, isSuccess, ofThePlace, postJson, readChatMessage, type TargetOf, unreadable } from './chat.ts'
import { nativeBlocks } from './chat-block.ts'
import { type Card, cardOfText, isCard, writeCard } from './msteams-card.ts'
import { credentialsOf, type Login, signIn } from './msteams-login.ts'
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
import { createProviderTokens, type ProviderTokens } from './provider-token.ts'

/**
 * Microsoft Teams. Sources: Microsoft's pages "Create incoming webhooks with Workflows", "Create and send messages" (webhooks:
 * 28 KB, failures with the status of success), "Bot Framework REST API - API reference", "Proactive messages", "Conversation
 * messages" (status codes from bot conversational APIs), "Rate limits" and, for Microsoft Graph, "List users".
 */

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const settings = z
  .object({
    appId: z.string().regex(UUID, 'must be a UUID').optional().describe("The bot's app (client) id; webhooks go without a bot"),
    appPassword: secret(z.string().min(1).max(500).optional().describe("The bot's app password (client secret)")),
    tenantId: z
      .string()
      .regex(UUID, 'must be a UUID')
      .optional()
      .describe("Microsoft Entra tenant of a single-tenant bot; without it the bot is one of many tenants'"),
  })
  .refine(({ appId, appPassword }) => (appId === undefined) === (appPassword === undefined), {
    path: ['appPassword'],
    message: 'goes with appId: both or neither',
  })

type TeamsSettings = z.infer<typeof settings>
type TeamsTarget = TargetOf<'msteams'>
type BotTarget = Exclude<TeamsTarget, { readonly to: 'webhookUrl' }>

const LONGEST_TEXT = 28_000
const MAX_WEBHOOK_BYTES = 28 * 1_024

/** What the errors of the Bot Connector say; one that is not here is what its HTTP status says. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  BotDisabledByAdmin: 'address',
  BotNotInConversationRoster: 'address',
  ConversationBlockedByUser: 'address',
  ConversationNotFound: 'address',
  ForbiddenOperationException: 'address',
  MessageWritesBlocked: 'address',
  NotEnoughPermissions: 'address',
  MessageSizeTooBig: 'content',
  InvalidBotApiHost: 'request',
  BotNotRegistered: 'misconfigured',
  PreconditionFailed: 'retry',
}

/** Microsoft Teams: webhooks of workflows and channels, and people, channels and conversations by a bot. No repetition is told. */
export function createMsTeams(): Provider<TeamsSettings> {
  const tokens = createProviderTokens()
  return {
    kind: 'msteams',
    channel: 'DIRECT_MESSAGE',
    name: 'Microsoft Teams',
    settings,
    deliver: (outgoing, context) => deliver(outgoing, context, tokens),
  }
}

async function deliver(outgoing: Outgoing, context: DeliverContext<TeamsSettings>, tokens: ProviderTokens): Promise<Outcome> {
  const card = nativeBlocks(outgoing, isCard) ?? writeCard(outgoing.content)
  const message = readChatMessage('msteams', outgoing, card ? null : LONGEST_TEXT)
  if (isOutcome(message)) return message
  const { target, text } = message
  if (target.to === 'webhookUrl') return postToWebhook(target.value, card ?? cardOfText(text), outgoing, context)

  const { appId, appPassword, tenantId: tenant = 'botframework.com' } = context.settings
  if (appId === undefined || appPassword === undefined) {
    return { kind: 'rejected', what: 'request', error: 'The account has no bot, which everything but webhooks takes.' }
  }
  const login: Login = { appId, appPassword, tenant, scope: 'https://api.botframework.com/.default' }
  return withToken(login, context, tokens, (token) =>
    postAsBot(target, { text, card }, { login, token, outgoing, context, tokens }),
  )
}

/** A token that was kept and is taken no more is forgotten: the next try gets a new one. */
async function withToken<T extends object>(
  login: Login,
  { http, now, signal }: DeliverContext<TeamsSettings>,
  tokens: ProviderTokens,
  use: (token: string) => Promise<T | Outcome>,
): Promise<T | Outcome> {
  const credentials = credentialsOf(login)
  const token = await tokens.get({ credentials, now, signal, renew: () => signIn(login, http, now) })
  if ('refused' in token) return token.refused
  const result = await use(token.value)
  if (!isOutcome(result) || result.kind !== 'misconfigured' || token.isNew) return result
  tokens.forget(credentials, token.value)
  return { ...result, kind: 'retry' }
}

function attached(card: Card) {
  return { contentType: 'application/vnd.microsoft.card.adaptive', content: card }
}

// ── Webhooks ─────────────────────────────────────────────────────────────────

async function postToWebhook(
  url: string,
  card: Card,
  outgoing: Outgoing,
  { http, signal, now }: DeliverContext<TeamsSettings>,
): Promise<Outcome> {
  const message = { attachments: [attached(card)] }
  const call = postJson(url, applyOverride(message, outgoing.override, { type: 'message' }), outgoing)
  if (Buffer.byteLength(call.body!) > MAX_WEBHOOK_BYTES) {
    return { kind: 'rejected', what: 'content', error: 'A webhook of Microsoft Teams takes at most 28 KB.' }
  }
  const reply = await http.request({ ...call, signal })
  return reply.kind === 'answered' ? classifyWebhook(reply, now) : classifyHttp(reply, now)
}

/** A webhook of a channel answers 200 whatever becomes of the message, and says in words with which status it failed. */
function classifyWebhook(reply: Extract<HttpReply, { kind: 'answered' }>, now: Date): Outcome {
  const [, inWords] = /returned HTTP error (\d{3})\b/.exec(reply.body) ?? []
  const status = isSuccess(reply) && inWords !== undefined ? Number(inWords) : reply.status
  const code = String(status)
  if (isSuccess({ status }) && /delivery failed|Exception/.test(reply.body)) {
    return { kind: 'retry', error: 'Microsoft Teams could not deliver it.', code }
  }
  if ([401, 403, 404, 410].includes(status)) {
    return {
      kind: 'rejected',
      what: 'address',
      error: `The webhook answered ${status}: it is gone, or not to be called so.`,
      code,
    }
  }
  return ofThePlace(classifyHttp({ ...reply, status }, now))
}

// ── The bot ──────────────────────────────────────────────────────────────────

interface BotCall {
  readonly login: Login
  readonly token: string
  readonly outgoing: Outgoing
  readonly context: DeliverContext<TeamsSettings>
  readonly tokens: ProviderTokens
}

interface Said {
  readonly text: string
  /** Instead of the text. */
  readonly card: Card | null
}

async function postAsBot(target: BotTarget, { text, card }: Said, bot: BotCall): Promise<Outcome> {
  const { outgoing } = bot
  const message = card ? { summary: text.slice(0, 200), attachments: [attached(card)] } : { text, textFormat: 'plain' }
  const activity = applyOverride(message, outgoing.override, { type: 'message', from: undefined, recipient: undefined })
  if (target.to === 'channelId') {
    const posted = await callBot(target, 'conversations', inChannel(target, activity, bot), bot)
    return isOutcome(posted) ? posted : accepted(posted.activityId ?? posted.id)
  }
  const conversation = target.to === 'conversationId' ? target.value : await openConversation(target, bot)
  if (typeof conversation !== 'string') return beforehand(conversation)
  const posted = await callBot(target, `conversations/${encodeURIComponent(conversation)}/activities`, activity, bot)
  return isOutcome(posted) ? posted : accepted(posted.id)
}

/** A message in a channel begins a conversation there. */
function inChannel({ value, tenantId }: BotTarget, activity: unknown, { login }: BotCall) {
  const channelData = { channel: { id: value }, tenant: { id: tenantId } }
  return { isGroup: true, bot: { id: login.appId }, tenantId, channelData, activity }
}

/** The conversation of the bot with somebody; the one that there is, if there is. */
async function openConversation(target: BotTarget, bot: BotCall): Promise<string | Outcome> {
  const member = target.to === 'email' ? await findPerson(target, bot) : target.value
  if (typeof member !== 'string') return member
  const { tenantId } = target
  const conversation = {
    isGroup: false,
    bot: { id: bot.login.appId },
    members: [{ id: member }],
    tenantId,
    channelData: { tenant: { id: tenantId } },
  }
  const opened = await callBot(target, 'conversations', conversation, bot)
  return isOutcome(opened) ? opened : opened.id
}

const created = z.object({ id: z.string().min(1), activityId: z.string().optional() })

/** To the host that was checked to be one of Microsoft's: the bot's token goes there. */
async function callBot(
  { serviceUrl }: BotTarget,
  path: string,
  body: unknown,
  { token, outgoing, context: { http, signal, now } }: BotCall,
): Promise<z.infer<typeof created> | Outcome> {
  const { origin, pathname } = new URL(serviceUrl)
  const url = `${origin}${pathname.replace(/\/+$/, '')}/v3/${path}`
  const reply = await http.request({
    ...postJson(url, body, outgoing, { authorization: `Bearer ${token}` }),
    signal,
    trusted: true,
  })
  if (reply.kind === 'answered' && isSuccess(reply))
    return created.safeParse(readJson(reply.body)).data ?? unreadable('Microsoft Teams')
  return classifyBot(reply, now)
}

const accepted = (reference: string): Outcome => ({ kind: 'accepted', code: '201', reference })

const failure = z.object({ error: z.object({ code: z.string().catch(''), message: z.string().catch('') }) })

function classifyBot(reply: HttpReply, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const { data } = failure.safeParse(readJson(reply.body))
  const said = data?.error ?? { code: '', message: '' }
  const code = /^\w{1,64}$/.test(said.code) ? said.code : String(reply.status)
  const known = lookUp(MEANINGS, said.code) ?? meaningOf(reply.status)
  return classifySaid('Microsoft Teams', reply, { code, words: said.message, ...(known && { meaning: known }) }, now)
}

/** 401 is about the bot; 403 and 404 are about the conversation; 412 passes. */
function meaningOf(status: number): Meaning | undefined {
  if (status === 403 || status === 404) return 'address'
  return status === 412 ? 'retry' : undefined
}

// ── Whose email address it is ────────────────────────────────────────────────

const people = z.object({ value: z.array(z.object({ id: z.string() })) })

/** The Entra id of whoever has the address in the tenant; Microsoft Graph has to let the app read users (User.Read.All). */
async function findPerson({ value, tenantId }: BotTarget, { login, context, tokens }: BotCall): Promise<string | Outcome> {
  const graph: Login = { ...login, tenant: tenantId, scope: 'https://graph.microsoft.com/.default' }
  const { http, signal, now } = context
  const found = await withToken(graph, context, tokens, async (token) => {
    const email = value.replaceAll("'", "''")
    const query = new URLSearchParams({
      $filter: `mail eq '${email}' or userPrincipalName eq '${email}'`,
      $select: 'id',
      $top: '2',
    })
    const call: HttpCall = {
      method: 'GET',
      url: `https://graph.microsoft.com/v1.0/users?${query}`,
      headers: { authorization: `Bearer ${token}` },
      signal,
      trusted: true,
    }
    return readPeople(await http.request(call), now)
  })
  if (!isOutcome(found)) return found.id
  // The bot may be fine: that it may read this tenant's users is another matter, and one of this place.
  return found.kind === 'misconfigured' ? { ...found, kind: 'rejected', what: 'request' } : found
}

function readPeople(reply: HttpReply, now: Date): { readonly id: string } | Outcome {
  if (reply.kind !== 'answered' || !isSuccess(reply)) return classifyHttp(reply, now)
  const { data } = people.safeParse(readJson(reply.body))
  if (data === undefined) return unreadable('Microsoft Graph')
  const [person, ...others] = data.value
  if (person !== undefined && others.length === 0) return person
  return { kind: 'rejected', what: 'address', error: 'The email address is not that of one person in the tenant.', code: '200' }
}
