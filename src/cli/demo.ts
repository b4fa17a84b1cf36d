import { randomBytes } from 'node:crypto'
import PostalMime from 'postal-mime'
import { type Api, createApi } from './api.ts'
import { createReport, type Report } from './demo-report.ts'
import { type Outside, openOutside } from './outside.ts'
import { startOwnServer } from './own-server.ts'

/** What the demo sends. */
export interface DemoMessage {
  /** What it goes over, in a word. */
  readonly name: string
  readonly recipient: Record<string, unknown>
  /** The recipient, as it is shown. */
  readonly to: string
  readonly title: string
  readonly body: string
}

export interface AcceptedMessage extends DemoMessage {
  readonly id: string
  /** From the call to its answer. */
  readonly tookMs: number
}

export interface DemoEvent {
  readonly type: string
  readonly at: string
  readonly messageId: string
  readonly status: string
  readonly channel: string | null
  readonly providerId: string | null
  readonly error: string | null
}

export interface Decision {
  readonly rule: string
  readonly subject: string
  readonly passed: boolean
  readonly because: string
}

export interface CaughtMail {
  readonly subject: string
  readonly from: string
  readonly to: string
  /** Where it can be read, and its source. */
  readonly page: string
  readonly source: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** After this long after the last message was accepted, those that are not sent yet count as lost. */
const PATIENCE_MS = 20_000
/** Nothing follows, and it went well. */
const SENT = 'SENT'
const ENDED = new Set([SENT, 'SIMULATED', 'UNMAPPED', 'UNROUTABLE', 'UNDELIVERABLE', 'FILTERED', 'THROTTLED', 'CANCELED'])

/**
 * Plays a whole scene: a few messages over several channels, their events live, and what arrived. On the server that
 * CARILLON_PUBLIC_URL and CARILLON_ADMIN_KEY name, otherwise on one of its own that is gone afterwards.
 *
 * @param signal ends the scene early; what was started is stopped all the same
 * @returns whether every message was sent and all that can be looked at had arrived
 */
export async function playDemo(env: Environment, stdout: NodeJS.WriteStream, signal: AbortSignal): Promise<boolean> {
  const report = createReport(stdout)
  await using stack = new AsyncDisposableStack()
  const { api, outside } = await openStage(env, report, stack, signal)
  const messages = await prepare(api, outside)
  const after = await logCursor(api)
  const events = api.follow<{ messageEvents: DemoEvent }>(MESSAGE_EVENTS, { after }, AbortSignal.timeout(PATIENCE_MS))
  const accepted = await Promise.all(messages.map((message) => send(api, message)))
  report.accepted(accepted)
  const lost = await watch(events, accepted, report)
  signal.throwIfAborted()
  report.looking()
  const missing = await look(api, outside, accepted, report)
  report.decisions(
    await Promise.all(accepted.map(async (message) => ({ message, decisions: await decisionsOf(api, message.id) }))),
  )
  report.close(accepted.length, [...lost.map(({ name }) => `the ${name} message was not sent`), ...missing])
  return lost.length === 0 && missing.length === 0
}

async function openStage(
  env: Environment,
  report: Report,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<{ api: Api; outside: Outside | null }> {
  const { CARILLON_PUBLIC_URL: url, CARILLON_ADMIN_KEY: key } = env
  if (url && key) {
    const api = createApi(url.replace(/\/+$/, ''), key, signal)
    stack.defer(() => api.close())
    report.open(
      api.url,
      'the server that CARILLON_PUBLIC_URL names; webhook and web push need one on this machine and are left out',
    )
    return { api, outside: null }
  }
  report.starting()
  const outside = await openOutside()
  stack.defer(() => outside.close())
  const server = await startOwnServer(env, signal)
  stack.defer(() => server.stop())
  const api = createApi(server.url, server.adminKey, signal)
  stack.defer(() => api.close())
  report.open(api.url, 'a server of its own, which goes when the scene is over')
  return { api, outside }
}

/** Names of this run's own, so that a server that runs already is left with nothing that could be mistaken for somebody. */
async function prepare(api: Api, outside: Outside | null): Promise<readonly DemoMessage[]> {
  const run = randomBytes(3).toString('hex')
  const email = `ada+${run}@example.com`
  const messages: DemoMessage[] = [
    {
      name: 'email',
      recipient: { email },
      to: email,
      title: 'Your analytical engine has shipped',
      body: 'It is heavy.\n\nBring a friend.',
    },
    {
      name: 'inbox',
      recipient: { userId: `demo-ada-${run}` },
      to: `demo-ada-${run}`,
      title: 'Note G was approved',
      body: 'One program, no bugs found.',
    },
  ]
  if (outside === null) return messages
  await api.call(PUT_WEBHOOK, { settings: { secret: outside.webhookSecret } })
  const userId = `demo-grace-${run}`
  const { endpoint, keys } = outside.subscription
  await api.call(PUT_DEVICE_TOKEN, { userId, input: { kind: 'webpush', token: endpoint, keys } })
  return [
    ...messages,
    {
      name: 'webhook',
      recipient: { webhook: { url: outside.webhookUrl } },
      to: outside.webhookUrl,
      title: 'engine.shipped',
      body: 'A machine reads this.',
    },
    {
      name: 'push',
      recipient: { userId },
      to: `${userId}’s browser`,
      title: 'A moth was found in relay 70',
      body: 'It has been taped into the log.',
    },
  ]
}

async function logCursor(api: Api): Promise<string> {
  return (await api.call<{ logCursor: string }>('{ logCursor }')).logCursor
}

async function send(api: Api, message: DemoMessage): Promise<AcceptedMessage> {
  const started = performance.now()
  const input = { to: message.recipient, content: { title: message.title, body: message.body } }
  const answer = await api.call<{ send: { message: { id: string } } }>(SEND, { input })
  return { ...message, id: answer.send.message.id, tookMs: performance.now() - started }
}

/** Shows the events of these messages until each has ended; returns those that were not sent. */
async function watch(
  events: AsyncIterable<{ messageEvents: DemoEvent }>,
  messages: readonly AcceptedMessage[],
  report: Report,
): Promise<readonly AcceptedMessage[]> {
  const open = new Map(messages.map((message) => [message.id, message]))
  const acceptedAt = new Map<string, number>()
  const lost: AcceptedMessage[] = []
  for await (const { messageEvents: event } of events) {
    const message = open.get(event.messageId)
    if (message === undefined) continue
    const at = Date.parse(event.at)
    if (!acceptedAt.has(message.id)) acceptedAt.set(message.id, at)
    report.event(message, event, at - (acceptedAt.get(message.id) ?? at))
    if (!ENDED.has(event.status)) continue
    open.delete(message.id)
    if (event.status !== SENT) lost.push(message)
    if (open.size === 0) break
  }
  return [...lost, ...open.values()]
}

/** Shows what arrived where; returns a few words about each thing that did not. */
async function look(
  api: Api,
  outside: Outside | null,
  messages: readonly AcceptedMessage[],
  report: Report,
): Promise<readonly string[]> {
  const of = (name: string) => messages.find((message) => message.name === name)!
  const missing = [...(await lookForMail(api, of('email'), report)), ...(await lookIntoInbox(api, of('inbox'), report))]
  if (outside === null) return missing
  const [webhook] = outside.webhooks
  if (webhook === undefined) missing.push('no webhook came with a signature that holds')
  else report.arrived('webhook', webhook.data.title, 'its signature holds')
  const [push] = outside.pushes
  if (push === undefined) missing.push('no push message came that the browser could read')
  else report.arrived('push', push.title, 'decrypted by the browser')
  return [...missing, ...outside.complaints]
}

async function lookForMail(api: Api, message: AcceptedMessage, report: Report): Promise<readonly string[]> {
  const caught = await api.page('/mail.json')
  if (caught === null) {
    report.arrived('email', 'cannot be looked at', 'this server shows no caught mail')
    return []
  }
  const { mails } = JSON.parse(caught) as { mails: readonly CaughtMail[] }
  const mail = mails.find(({ to }) => JSON.stringify(to).includes(message.to))
  const source = mail && (await api.page(mail.source))
  if (!mail || !source) return [`the mail to ${message.to} was not caught`]
  const { text = '' } = await PostalMime.parse(source)
  report.mail(mail, text, `${api.url}${mail.page}`)
  return []
}

async function lookIntoInbox(api: Api, message: AcceptedMessage, report: Report): Promise<readonly string[]> {
  const { inbox, inboxCounts } = await api.call<InboxAnswer>(INBOX, { userId: message.to })
  const found = inbox.nodes.find(({ id }) => id === message.id)
  if (found === undefined) return [`the inbox of ${message.to} is empty`]
  report.arrived('inbox', found.title, `${inboxCounts.unread} unread`)
  return []
}

async function decisionsOf(api: Api, id: string): Promise<readonly Decision[]> {
  const { message } = await api.call<{ message: { decisions: readonly Decision[] } }>(DECISIONS, { id })
  return message.decisions
}

interface InboxAnswer {
  readonly inbox: { readonly nodes: readonly { readonly id: string; readonly title: string }[] }
  readonly inboxCounts: { readonly unread: number }
}

const MESSAGE_EVENTS = `subscription ($after: String) {
  messageEvents(filter: { all: true }, after: $after) { type at messageId status channel providerId error }
}`
const SEND = 'mutation ($input: SendInput!) { send(input: $input) { message { id } } }'
const PUT_WEBHOOK = `mutation ($settings: JSONObject!) {
  putProvider(id: "webhook", input: { kind: "webhook", settings: $settings }) { id }
}`
const PUT_DEVICE_TOKEN = `mutation ($userId: ID!, $input: DeviceTokenInput!) {
  putDeviceToken(userId: $userId, input: $input) { id }
}`
const INBOX = 'query ($userId: ID!) { inbox(userId: $userId) { nodes { id title } } inboxCounts(userId: $userId) { unread } }'
const DECISIONS = 'query ($id: ID!) { message(id: $id) { decisions { rule subject passed because } } }'
