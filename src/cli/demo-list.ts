import type { Api } from './api.ts'
import { type Cast, castOf, contentOf, type Person, putCast } from './demo-cast.ts'
import { type Decision, type DemoEvent, ENDED, EVENT_FIELDS, PATIENCE_MS, SENT } from './demo-event.ts'
import type { ListReport } from './demo-list-report.ts'
import { type CaughtMail, caughtMailTo } from './demo-mail.ts'
import type { Stage } from './demo-stage.ts'

/** What a plan, or the log, says about one person. */
export interface Verdict {
  readonly userId: string
  /** ROUTED in a plan that reaches them, SENT in the log; otherwise what stopped it. */
  readonly status: string
  readonly reason: string | null
  readonly decisions: readonly Decision[]
}

export interface Planned extends Verdict {
  /** Where it would be tried, in order. */
  readonly steps: readonly { readonly channel: string; readonly providerId: string }[]
}

export interface Logged extends Verdict {
  readonly id: string
  readonly history: { readonly nodes: readonly { readonly type: string }[] }
}

/** How far a request is with making its messages, and what became of them. */
export interface Progress {
  readonly expanded: boolean
  readonly counts: Readonly<Record<'total' | 'pending' | 'sent' | 'failed' | 'skipped' | 'canceled', number>>
}

interface Sent {
  readonly progress: Progress
  readonly messages: readonly Logged[]
}

/**
 * The second act: one message to a list, in the context of a tenant. It is planned, sent and looked up in the log; then one of
 * those who got it wants no more, and it is sent again.
 *
 * @returns a few words about each thing that was not as it should be
 */
export async function playList(stage: Stage, report: ListReport): Promise<readonly string[]> {
  const { api } = stage
  const cast = castOf(stage.run)
  await putCast(stage, cast)
  report.cast(cast)
  const planned = await planOf(api, cast)
  report.plan(cast, planned)
  report.sending('Live', 'one request; each message’s way, and the time since it was made')
  const first = await send(stage, cast, report)
  report.looking()
  const { missing, mail } = await look(stage, cast, first.messages, report)
  const unplanned = differences(cast, planned, first.messages)
  report.log(cast.mary, of(first.messages, cast.mary), unplanned.length === 0)
  const clicked = await click(stage, cast.charles, mail, of(first.messages, cast.charles), report)
  report.sending('Again', 'the same to the same list')
  const second = await send(stage, cast, report)
  report.refusal(cast.charles, of(second.messages, cast.charles))
  return [
    ...deviations('first', cast, [cast.mary], first),
    ...missing,
    ...unplanned,
    ...clicked,
    ...deviations('second', cast, [cast.mary, cast.charles], second),
  ]
}

async function planOf(api: Api, cast: Cast): Promise<readonly Planned[]> {
  const { planSend } = await api.call<{ planSend: { messages: readonly Planned[] } }>(PLAN_SEND, { input: contentOf(cast) })
  return planSend.messages
}

/** Sends to the list, shows each message's way until all have ended, and reads what the log keeps of them. */
async function send({ api, signal }: Stage, cast: Cast, report: ListReport): Promise<Sent> {
  const started = performance.now()
  const elapsed = () => performance.now() - started
  const sent = await api.call<SendAnswer>(SEND, { input: contentOf(cast) })
  report.progress(elapsed(), sent.send.request)
  const { requestId } = sent.send
  await watch(api, requestId, cast, report)
  signal.throwIfAborted()
  const { request } = await api.call<RequestAnswer>(REQUEST, { id: requestId })
  report.progress(elapsed(), request)
  return { progress: request, messages: request.messages.nodes }
}

/** Follows the request from its first event, which may be past already. Gives up on those that are late. */
async function watch(api: Api, requestId: string, { people }: Cast, report: ListReport): Promise<void> {
  const events = api.follow<{ messageEvents: EventOfUser }>(EVENTS, { requestId }, AbortSignal.timeout(PATIENCE_MS))
  const ways = new Map(people.map(({ userId }): [string, EventOfUser[]] => [userId, []]))
  let open = people.length
  for await (const { messageEvents: event } of events) {
    const way = ways.get(event.message.userId) ?? []
    way.push(event)
    if (!ENDED.has(event.status)) continue
    report.way(people.find(({ userId }) => userId === event.message.userId)!, way)
    open -= 1
    if (open === 0) break
  }
}

const of = <V extends Verdict>(verdicts: readonly V[], { userId }: Person): V | undefined =>
  verdicts.find((verdict) => verdict.userId === userId)

/** Whoever opted out is left out, and everybody else is not. */
function deviations(time: string, { people }: Cast, optedOut: readonly Person[], sent: Sent): readonly string[] {
  const strays = people.flatMap((person) => {
    const expected = optedOut.includes(person) ? 'FILTERED UNSUBSCRIBED' : SENT
    const { status = 'missing', reason = null } = of(sent.messages, person) ?? {}
    const found = [status, ...(reason === null ? [] : [reason])].join(' ')
    return found === expected ? [] : [`of the ${time} send, ${person.name}’s message is ${found}, not ${expected}`]
  })
  const { expanded, counts } = sent.progress
  const isCounted = expanded && counts.sent === people.length - optedOut.length && counts.skipped === optedOut.length
  return isCounted ? strays : [...strays, `the ${time} request’s counts are not what became of its messages`]
}

/** What was planned must be what is done, and by the same rules. */
function differences({ people }: Cast, planned: readonly Planned[], logged: readonly Logged[]): readonly string[] {
  const said = (verdict: Verdict | undefined) =>
    verdict && JSON.stringify([verdict.status === 'ROUTED' ? SENT : verdict.status, verdict.reason, verdict.decisions])
  return people
    .filter((person) => said(of(planned, person)) !== said(of(logged, person)))
    .map(({ name }) => `of ${name}’s message the plan and the log say different things`)
}

/** Shows one mail and one inbox; what is missing, in words. */
async function look(
  { api, outside }: Stage,
  { charles, ada, tenantId }: Cast,
  logged: readonly Logged[],
  report: ListReport,
): Promise<{ missing: readonly string[]; mail: CaughtMail | null }> {
  const missing: string[] = []
  const mail = await caughtMailTo(api, charles.email!)
  if (mail !== null) report.mail(charles, mail)
  else if (outside === null) report.uncaught(charles)
  else missing.push(`the mail to ${charles.name} was not caught`)
  const { inbox, inboxCounts } = await api.call<InboxAnswer>(INBOX, { userId: ada.userId, tenantId })
  const found = inbox.nodes.find(({ id }) => id === of(logged, ada)?.id)
  if (found) report.inbox(ada, found.title, inboxCounts.unread)
  else missing.push(`${ada.name}’s inbox in the tenant is empty`)
  return { missing, mail }
}

/** Unsubscribes as the person's mail program would. */
async function click(
  { api }: Stage,
  person: Person,
  mail: CaughtMail | null,
  logged: Logged | undefined,
  report: ListReport,
): Promise<readonly string[]> {
  const url = mail === null ? await linkInOutput(api, logged) : mail.unsubscribe?.oneClick && mail.unsubscribe.url
  if (!url) return [`${person.name}’s mail does not say how to unsubscribe with one click`]
  const status = await api.submit(url, { 'List-Unsubscribe': 'One-Click' })
  report.click(person, url, status)
  return status === 200 ? [] : [`the click of ${person.name} was answered with ${status}`]
}

/** Where the mail is out of our sight, the log still has its text. */
async function linkInOutput(api: Api, logged: Logged | undefined): Promise<string | null> {
  if (logged === undefined) return null
  const { message } = await api.call<{ message: { output: { text: string | null }[] } }>(OUTPUT, { id: logged.id })
  return message.output.map(({ text }) => /^Unsubscribe: (\S+)$/m.exec(text ?? '')?.[1]).find(Boolean) ?? null
}

interface EventOfUser extends DemoEvent {
  readonly message: { readonly userId: string }
}
interface SendAnswer {
  readonly send: { readonly requestId: string; readonly request: Progress }
}
interface RequestAnswer {
  readonly request: Progress & { readonly messages: { readonly nodes: readonly Logged[] } }
}
interface InboxAnswer {
  readonly inbox: { readonly nodes: readonly { readonly id: string; readonly title: string }[] }
  readonly inboxCounts: { readonly unread: number }
}

const PROGRESS = 'expanded counts { total pending sent failed skipped canceled }'
const DECISIONS = 'decisions { rule subject passed because }'
const PLAN_SEND = `query ($input: SendInput!) {
  planSend(input: $input) { messages { userId status: outcome reason steps { channel providerId } ${DECISIONS} } }
}`
const SEND = `mutation ($input: SendInput!) { send(input: $input) { requestId request { ${PROGRESS} } } }`
const EVENTS = `subscription ($requestId: ID!) {
  messageEvents(filter: { requestId: $requestId }) { ${EVENT_FIELDS} message { userId } }
}`
const REQUEST = `query ($id: ID!) {
  request(id: $id) {
    ${PROGRESS}
    messages(first: 10) { nodes { id userId status reason ${DECISIONS} history(first: 10) { nodes { type } } } }
  }
}`
const INBOX = `query ($userId: ID!, $tenantId: ID!) {
  inbox(userId: $userId, tenantId: $tenantId) { nodes { id title } }
  inboxCounts(userId: $userId, tenantId: $tenantId) { unread }
}`
const OUTPUT = 'query ($id: ID!) { message(id: $id) { output { text } } }'
