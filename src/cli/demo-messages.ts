import type { Api } from './api.ts'
import { type Decision, type DemoEvent, ENDED, EVENT_FIELDS, PATIENCE_MS, SENT } from './demo-event.ts'
import { caughtMailTo } from './demo-mail.ts'
import type { Report } from './demo-report.ts'
import type { Stage } from './demo-stage.ts'

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

/**
 * The first act: a message over each channel, all at once.
 *
 * @returns a few words about each thing that was not as it should be
 */
export async function playMessages(stage: Stage, report: Report): Promise<readonly string[]> {
  const { api, signal } = stage
  const after = await logCursor(api)
  const messages = await prepare(stage)
  const events = api.follow<{ messageEvents: DemoEvent }>(MESSAGE_EVENTS, { after }, AbortSignal.timeout(PATIENCE_MS))
  const accepted = await Promise.all(messages.map((message) => send(api, message)))
  report.accepted(accepted)
  const lost = await watch(events, accepted, report)
  signal.throwIfAborted()
  report.looking()
  const missing = await look(stage, accepted, report)
  report.decisions(
    await Promise.all(accepted.map(async (message) => ({ message, decisions: await decisionsOf(api, message.id) }))),
  )
  return [...lost.map(({ name }) => `the ${name} message was not sent`), ...missing]
}

async function prepare({ api, outside, traces, run }: Stage): Promise<readonly DemoMessage[]> {
  const email = `ada+${run}@example.com`
  const ada = `demo-ada-${run}`
  traces.add('user', ada)
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
      recipient: { userId: ada },
      to: ada,
      title: 'Note G was approved',
      body: 'One program, no bugs found.',
    },
  ]
  if (outside === null) return messages
  await api.call(PUT_WEBHOOK, { settings: { secret: outside.webhookSecret } })
  const userId = `demo-grace-${run}`
  traces.add('user', userId)
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
async function look(stage: Stage, messages: readonly AcceptedMessage[], report: Report): Promise<readonly string[]> {
  const { api, outside } = stage
  const of = (name: string) => messages.find((message) => message.name === name)!
  const missing = [...(await lookForMail(stage, of('email'), report)), ...(await lookIntoInbox(api, of('inbox'), report))]
  if (outside === null) return missing
  const [webhook] = outside.webhooks
  if (webhook === undefined) missing.push('no webhook came with a signature that holds')
  else report.arrived('webhook', webhook.data.title, 'its signature holds')
  const [push] = outside.pushes
  if (push === undefined) missing.push('no push message came that the browser could read')
  else report.arrived('push', push.title, 'decrypted by the browser')
  return [...missing, ...outside.complaints]
}

async function lookForMail({ api, outside }: Stage, message: AcceptedMessage, report: Report): Promise<readonly string[]> {
  const mail = await caughtMailTo(api, message.to)
  if (mail !== null) report.mail(mail)
  else if (outside === null) report.arrived('email', 'cannot be looked at', 'this server did not catch it')
  else return [`the mail to ${message.to} was not caught`]
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
  messageEvents(filter: { all: true }, after: $after) { ${EVENT_FIELDS} }
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
