import { parseEmailAddress } from './address.ts'
import type { ChatTarget } from './provider.ts'

/**
 * What names a place in a chat service, field by field. Pure, as address.ts: sends and profiles are checked by it when they
 * come in, and providers once more before they call.
 */

export type ChatService = ChatTarget['service']

/** Null where the value is right; otherwise the end of a sentence that begins with the field: what would be right. */
type Rule = (value: string) => string | null

const LONGEST = 2_048

const slackId = matching(/^[UW][A-Z0-9]{2,30}$/, "must be a member's id, like U024BE7LH.")
const snowflake = matching(/^\d{15,20}$/, 'must be a Discord id, like 175928847299117063.')
const teamsId = matching(/^[A-Za-z0-9][\x21-\x7e]{0,255}$/, 'must be an id of Microsoft Teams, without white space.')

const RULES: { readonly [S in ChatService]: Readonly<Record<string, Rule>> } = {
  slack: {
    channel: matching(/^#?[^\s\p{Cc}#@,]{1,80}$/u, 'must be one channel, like C024BE91L.'),
    userId: slackId,
    email: unlessEmail,
    webhookUrl: unlessSlackWebhook,
    accessToken: matching(/^[\x21-\x7e]{1,512}$/, 'must be one token of Slack, without white space.'),
  },
  msteams: {
    // Workflows are on many hosts; whether this one may be called is the door's business.
    webhookUrl: (value) => (/^https?:$/.test(URL.parse(value)?.protocol ?? '') ? null : 'must be an https URL.'),
    tenantId: matching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, "must be a Microsoft Entra tenant's id, a UUID."),
    serviceUrl: unlessTeamsService,
    userId: teamsId,
    email: unlessEmail,
    channelId: teamsId,
    conversationId: teamsId,
  },
  discord: { channelId: snowflake, userId: snowflake, webhookUrl: unlessDiscordWebhook },
  telegram: {
    chatId: matching(/^(?:-?\d{1,20}|@[A-Za-z]\w{3,31})$/, "must be a chat's number, or a public channel's name like @carillon."),
  },
}

function matching(pattern: RegExp, sentence: string): Rule {
  return (value) => (pattern.test(value) ? null : sentence)
}

/** Null where a field of a service's place holds what it stands for, or has no meaning there; otherwise what would be right. */
export function checkChatField(service: ChatService, field: string, value: unknown): string | null {
  const rule = Object.hasOwn(RULES[service], field) ? RULES[service][field] : undefined
  if (rule === undefined) return null
  if (typeof value !== 'string') return 'must be a string.'
  return value.length > LONGEST ? `must be at most ${LONGEST.toLocaleString('en')} characters.` : rule(value)
}

/** Null where a provider may go to it; otherwise the sentence that says what is wrong. */
export function checkChatTarget(target: ChatTarget): string | null {
  const { service, to, value, ...rest } = target
  for (const [field, given] of Object.entries({ [to]: value, ...rest })) {
    const wrong = given === undefined ? null : checkChatField(service, field, given)
    if (wrong !== null) return `The ${field} of the recipient ${wrong}`
  }
  return null
}

function unlessEmail(value: string): string | null {
  return parseEmailAddress(value) === null ? 'must be one plain email address, like ada@example.com.' : null
}

function readHttps(value: string): URL | null {
  const url = URL.parse(value)
  return url?.protocol === 'https:' && url.username === '' && url.password === '' ? url : null
}

/** Slack, "Sending messages using incoming webhooks". */
function unlessSlackWebhook(value: string): string | null {
  const url = readHttps(value)
  const isSlack = url !== null && /^hooks\.slack(?:-gov)?\.com$/.test(url.host)
  return isSlack ? null : 'must be an incoming webhook of Slack: https://hooks.slack.com/…'
}

/** Discord Developer Documentation, "Webhook Resource". */
function unlessDiscordWebhook(value: string): string | null {
  const url = readHttps(value)
  const isDiscord = url !== null && /^(?:(?:ptb|canary)\.)?discord(?:app)?\.com$/.test(url.host)
  if (isDiscord && /^\/api(?:\/v\d+)?\/webhooks\/\d+\/[\w-]+$/.test(url.pathname)) return null
  return 'must be a webhook of Discord: https://discord.com/api/webhooks/…'
}

/**
 * A bot shows its token to whatever it calls, so it only calls what Microsoft documents ("Proactive messages": the commercial
 * cloud, and the government's GCC, which signs in at the same place).
 */
function unlessTeamsService(value: string): string | null {
  const url = readHttps(value)
  const isBotConnector = url !== null && /^smba\.(?:trafficmanager\.net|infra\.gcc\.teams\.microsoft\.com)$/.test(url.host)
  return isBotConnector ? null : "must be Microsoft's, like https://smba.trafficmanager.net/teams/."
}

/**
 * What may be seen of a place: a webhook's URL is a secret, of which only the host and the last four characters stay; the rest
 * says which service it is in.
 */
export function chatAddressId({ service, to, value }: ChatTarget): string {
  if (to !== 'webhookUrl') return `${service}:${value}`
  return `${URL.parse(value)?.origin ?? service}/…${value.slice(-4)}`
}
