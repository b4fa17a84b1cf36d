import type { Api } from './api.ts'
import { type Accounts, putAccounts } from './demo-accounts.ts'
import { type Decision, type DemoEvent, ENDED, EVENT_FIELDS, PATIENCE_MS, SENT } from './demo-event.ts'
import type { FailoverReport } from './demo-failover-report.ts'
import { caughtMailTo } from './demo-mail.ts'
import type { Stage } from './demo-stage.ts'

/** Who is written to, and over which accounts. */
export interface Errand {
  readonly name: string
  readonly userId: string
  readonly email: string
  readonly accounts: Accounts
}

/** What a plan says. */
export interface PlannedRoute {
  /** ROUTED, or what stops it. */
  readonly outcome: string
  readonly steps: readonly { readonly channel: string; readonly providerId: string }[]
  readonly decisions: readonly Decision[]
}

/** What the log keeps of a message. */
export interface Kept {
  readonly id: string
  readonly status: string
  readonly scheduledFor: string | null
  readonly decisions: readonly Decision[]
  readonly deliveries: readonly KeptDelivery[]
  readonly history: { readonly nodes: readonly { readonly type: string }[] }
}

export interface KeptDelivery {
  readonly channel: string
  readonly providerId: string
  readonly status: string
  readonly attempts: readonly KeptAttempt[]
}

export interface KeptAttempt {
  readonly number: number
  readonly startedAt: string
  readonly endedAt: string | null
  readonly outcome: string | null
  readonly code: string | null
  readonly error: string | null
}

export interface Health {
  readonly id: string
  readonly health: string
  readonly lastError: string | null
}

const TITLE = 'The lamp in the lighthouse is out'
/** With the two attempts of the message before, more failures in a row than an account may have. */
const MORE = 2

/**
 * The third act: the first of two email accounts is down. A message is planned, sent, and seen to go the other way; the log
 * says why; what fails often is passed over; and a message that waits is canceled in time.
 *
 * @returns a few words about each thing that was not as it should be
 */
export async function playFailover(stage: Stage, report: FailoverReport): Promise<readonly string[]> {
  const errand = await prepare(stage)
  report.setting(errand)
  const planned = await planUrgent(stage, errand, true)
  const plannedCalm = await planUrgent(stage, errand, false)
  report.plan(planned, plannedCalm)
  report.live()
  const urgent = await deliver(stage, inputOf(errand, true), (event, sinceMs) => report.event(errand, event, sinceMs))
  const missing = await lookForMail(stage, errand, report)
  report.reason(urgent, saysTheSame(planned, urgent))
  return [
    ...plannedWrong(errand, planned, plannedCalm),
    ...wentWrong(errand, planned, urgent),
    ...missing,
    ...(await wearOut(stage, errand, report)),
    ...(await cancelInTime(stage, errand, report)),
  ]
}

async function prepare(stage: Stage): Promise<Errand> {
  const accounts = await putAccounts(stage)
  const name = 'edith'
  const userId = `demo-${name}-${stage.run}`
  stage.traces.add('user', userId)
  return { name, userId, email: `${name}+${stage.run}@example.com`, accounts }
}

/** Email where it is urgent, the first account before the second; the inbox where it is not, or where both fail. */
function inputOf({ userId, email, accounts }: Errand, urgent: boolean) {
  const providerIds = [accounts.first, accounts.second].flatMap((account) => account?.id ?? [])
  return {
    to: { userId, email },
    content: { title: TITLE, body: 'Ships are about.' },
    data: { urgent },
    routing: { method: 'SINGLE', channels: [{ channel: 'EMAIL' }, { channel: 'INBOX' }] },
    channels: { email: { if: 'data.urgent', providerIds } },
  }
}

async function planUrgent({ api }: Stage, errand: Errand, urgent: boolean): Promise<PlannedRoute> {
  const { planSend } = await api.call<PlanAnswer>(PLAN_SEND, { input: inputOf(errand, urgent) })
  return planSend.messages[0]!
}

/**
 * Sends a message, follows it to its end, or until it is late, and reads what the log keeps of it.
 *
 * @param told each event, and the time since the first by the server's clock
 */
async function deliver(
  { api, signal }: Stage,
  input: object,
  told: (event: DemoEvent, sinceMs: number) => void | Promise<void> = () => {},
): Promise<Kept> {
  const { send } = await api.call<SendAnswer>(SEND, { input })
  const { requestId } = send
  const events = api.follow<{ messageEvents: DemoEvent }>(EVENTS, { requestId }, AbortSignal.timeout(PATIENCE_MS))
  let begunAt: number | null = null
  for await (const { messageEvents: event } of events) {
    const at = Date.parse(event.at)
    begunAt ??= at
    await told(event, at - begunAt)
    if (ENDED.has(event.status)) break
  }
  signal.throwIfAborted()
  return messageOf(api, send.message.id)
}

async function messageOf(api: Api, id: string): Promise<Kept> {
  return (await api.call<{ message: Kept }>(MESSAGE, { id })).message
}

const typesOf = ({ history }: Kept): readonly string[] => history.nodes.map(({ type }) => type)

const saysTheSame = (planned: PlannedRoute, { decisions }: Kept): boolean =>
  JSON.stringify(planned.decisions) === JSON.stringify(decisions)

function plannedWrong({ accounts }: Errand, urgent: PlannedRoute, calm: PlannedRoute): readonly string[] {
  const isRight = urgent.steps[0]?.providerId === accounts.first.id && calm.steps.every(({ channel }) => channel === 'INBOX')
  return isRight ? [] : ['the plan does not go by the condition, or not by the order of the accounts']
}

function wentWrong({ accounts }: Errand, planned: PlannedRoute, message: Kept): readonly string[] {
  const types = typesOf(message)
  const isSent = message.status === SENT && types.includes('RETRYING') && types.includes('FAILED_OVER')
  const took = message.deliveries.filter(({ status }) => status === SENT).map(({ providerId }) => providerId)
  return [
    ...(isSent && !took.includes(accounts.first.id)
      ? []
      : ['the message did not go another way when the first account was down']),
    ...(saysTheSame(planned, message) ? [] : ['of the urgent message the plan and the log say different things']),
  ]
}

async function lookForMail({ api, outside }: Stage, { email }: Errand, report: FailoverReport): Promise<readonly string[]> {
  if (outside === null) {
    const mail = await caughtMailTo(api, email)
    if (mail === null) report.arrived('cannot be looked at', 'this server did not catch it')
    else report.arrived(mail.subject, mail.url)
    return []
  }
  const mails = outside.mail.mails.filter(({ to }) => to === email)
  for (const { subject } of mails) report.arrived(subject, 'taken by the second account’s mail server')
  return mails.length === 1 ? [] : [`the mail to ${email} came ${mails.length} times, not once`]
}

/** Sends until the first account has failed too often, and once more, which it is spared. */
async function wearOut(stage: Stage, errand: Errand, report: FailoverReport): Promise<readonly string[]> {
  const { first, second } = errand.accounts
  const input = inputOf(errand, true)
  const more = await Promise.all(Array.from({ length: MORE }, () => deliver(stage, input)))
  const states = await Promise.all([first, ...(second ? [second] : [])].map(({ id }) => healthOf(stage, id)))
  const last = await deliver(stage, input)
  report.health(more, states, last)
  const complaints = [...more, last].flatMap(({ id, status }) => (status === SENT ? [] : [`the message ${id} was not sent`]))
  // Elsewhere its failures may be spread over several processes, each of which counts its own.
  const isPassedOver = states[0]?.health === 'FAILING' && last.deliveries.every(({ providerId }) => providerId !== first.id)
  if (stage.outside !== null && !isPassedOver) complaints.push('the first account failed often, and was not passed over')
  return complaints
}

async function healthOf({ api }: Stage, id: string): Promise<Health> {
  return (await api.call<{ provider: Health }>(HEALTH, { id })).provider
}

async function cancelInTime(stage: Stage, errand: Errand, report: FailoverReport): Promise<readonly string[]> {
  const { api } = stage
  report.delayed()
  const input = { ...inputOf(errand, true), delay: { duration: 'PT1H' } }
  const { status, deliveries } = await deliver(stage, input, async (event) => {
    const { messageId: id, type } = event
    const { scheduledFor, deliveries } = await messageOf(api, id)
    report.waiting(errand, event, { scheduledFor, isUntried: deliveries.length === 0 })
    if (type === 'DELAYED') await api.call(CANCEL, { id })
  })
  const isCanceled = status === 'CANCELED' && deliveries.length === 0
  return isCanceled ? [] : [`the delayed message is ${status}, not CANCELED before anything was tried`]
}

interface PlanAnswer {
  readonly planSend: { readonly messages: readonly PlannedRoute[] }
}
interface SendAnswer {
  readonly send: { readonly requestId: string; readonly message: { readonly id: string } }
}

const DECISIONS = 'decisions { rule subject passed because }'
const PLAN_SEND = `query ($input: SendInput!) {
  planSend(input: $input) { messages { outcome steps { channel providerId } ${DECISIONS} } }
}`
const SEND = 'mutation ($input: SendInput!) { send(input: $input) { requestId message { id } } }'
const EVENTS = `subscription ($requestId: ID!) { messageEvents(filter: { requestId: $requestId }) { ${EVENT_FIELDS} } }`
const MESSAGE = `query ($id: ID!) {
  message(id: $id) {
    id status scheduledFor ${DECISIONS}
    deliveries { channel providerId status attempts { number startedAt endedAt outcome code error } }
    history { nodes { type } }
  }
}`
const HEALTH = 'query ($id: ID!) { provider(id: $id) { id health lastError } }'
const CANCEL = 'mutation ($id: ID!) { cancelMessage(id: $id) { id } }'
