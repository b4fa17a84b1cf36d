import { BRAND, type Cast, type Person, TENANT } from './demo-cast.ts'
import type { DemoEvent } from './demo-event.ts'
import type { Logged, Planned, Progress, Verdict } from './demo-list.ts'
import type { CaughtMail } from './demo-mail.ts'
import { milliseconds, type Print, styleOf } from './demo-print.ts'

/** What the demo shows of its message to a list. */
export interface ListReport {
  cast(cast: Cast): void
  plan(cast: Cast, planned: readonly Planned[]): void
  sending(title: string, note: string): void
  /** @param sinceMs since the send was called */
  progress(sinceMs: number, progress: Progress): void
  /** A message's events, once the last of them has come. */
  way(person: Person, events: readonly DemoEvent[]): void
  looking(): void
  mail(person: Person, mail: CaughtMail): void
  uncaught(person: Person): void
  inbox(person: Person, title: string, unread: number): void
  /** @param asPlanned whether the plan said the same, of everyone */
  log(person: Person, logged: Logged | undefined, asPlanned: boolean): void
  click(person: Person, url: string, status: number): void
  refusal(person: Person, verdict: Verdict | undefined): void
}

export function createListReport({ paint, line, heading, name }: Print): ListReport {
  const row = (who: Person, words: string) => line(`  ${name(who.name, who.email === null ? 'inbox' : 'email')} ${words}`)
  const thing = (what: string, called: string, note: string) => line(`  ${name(what)} ${called}  ${paint('dim', note)}`)
  const deciding = ({ decisions }: Verdict) => {
    const said = decisions.findLast(({ passed }) => !passed)
    return said ? `${paint('red', '✗')} ${said.rule}: ${said.because}` : ''
  }
  const verdictRow = (person: Person, verdict: Verdict, words: string) =>
    row(person, `${paint(styleOf(verdict.status), verdict.status.padEnd(9))} ${words}`)

  return {
    cast({ people, mary, listId }) {
      heading('To a list', 'in the context of a tenant')
      thing('tenant', TENANT.name, `at ${TENANT.properties.street}, in the brand ${BRAND.name}`)
      thing('topic', 'Open doors', 'for all who do not opt out, which takes one click in a mail program')
      thing('list', listId, `${people.map((one) => one.name).join(', ')}; ${mary.name} has opted out of the topic`)
    },
    plan({ people }, planned) {
      heading('Planned', 'by planSend, before anything is sent')
      for (const person of people) {
        const plan = planned.find(({ userId }) => userId === person.userId)
        if (plan === undefined) continue
        const steps = plan.steps.map(({ channel, providerId }) => `${channel} · ${providerId}`)
        verdictRow(person, plan, steps.length > 0 ? paint('dim', steps.join(', then ')) : deciding(plan))
      }
    },
    sending: heading,
    progress: (sinceMs, progress) => line(`  ${name('request')} ${milliseconds(sinceMs)}  ${describe(progress)}`),
    way(person, events) {
      const [first, last] = [events[0]!, events.at(-1)!]
      const { type, channel, providerId, reason, error } = last
      const before = events.slice(0, -1).map((event) => `${event.type} → `)
      const route = channel === null ? [] : [`${channel} · ${providerId}`]
      // Of one that is filtered, the deciding rule says the same.
      const words = type === 'FILTERED' ? [reason] : [reason, error]
      const note = [...route, ...words].filter((part) => part !== null).join('  ')
      const sinceMs = Date.parse(last.at) - Date.parse(first.at)
      row(
        person,
        `${milliseconds(sinceMs)}  ${paint('dim', before.join(''))}${paint(styleOf(type), type)}  ${paint('dim', note)}`,
      )
    },
    looking: () => heading('Arrived', 'as a mail in the tenant’s words, and in the inbox that ada has in the tenant'),
    mail(person, { subject, to, text, url }) {
      row(person, `${subject}  ${paint('dim', url)}`)
      const said = text.split('\n').filter((words) => words.trim() !== '' && words !== subject)
      for (const words of [`To: ${to}`, ...said]) line(`  ${name('')} ${paint('dim', `│ ${withoutTokens(words.trimEnd())}`)}`)
    },
    uncaught: (person) => row(person, `cannot be looked at  ${paint('dim', 'this server did not catch it')}`),
    inbox: (person, title, unread) => row(person, `${title}  ${paint('dim', `${unread} unread`)}`),
    log(person, logged, asPlanned) {
      heading('In the log', asPlanned ? 'what was decided for each: the same as planned' : 'what was decided for each')
      if (logged === undefined) return
      const history = logged.history.nodes.map(({ type }) => type)
      row(person, `${paint('dim', history.join(' → '))}  ${deciding(logged)}`)
    },
    click(person, url, status) {
      heading('One click', 'POST List-Unsubscribe=One-Click, as a mail program does it, without a login')
      row(person, `${status}  ${withoutTokens(url)}`)
    },
    refusal: (person, verdict) => verdict && verdictRow(person, verdict, deciding(verdict)),
  }
}

function describe({ expanded, counts }: Progress): string {
  const { total, ...rest } = counts
  const parts = Object.entries(rest).filter(([, count]) => count > 0)
  const words = parts.map(([what, count]) => `, ${count} ${what}`).join('')
  return `${expanded ? 'expanded' : 'accepted, being expanded'}: ${total} messages${words}`
}

/** Whoever has such a link acts for its user, so the whole of it is nobody else's to see. */
function withoutTokens(text: string): string {
  return text.replace(/(https?:\/\/[^/\s]+\/(?:\S+\/)?(?:unsubscribe|preferences)\/)\S+/g, '$1…')
}
