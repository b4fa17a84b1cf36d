import type { Decision, DemoEvent } from './demo-event.ts'
import type { CaughtMail } from './demo-mail.ts'
import type { AcceptedMessage } from './demo-messages.ts'
import { milliseconds, type Print, styleOf } from './demo-print.ts'

/** What the demo shows of its beginning and end, and of the messages between. */
export interface Report {
  starting(): void
  open(url: string, note: string): void
  accepted(messages: readonly AcceptedMessage[]): void
  /** @param sinceMs since the message was accepted, by the server's clock */
  event(message: AcceptedMessage, event: DemoEvent, sinceMs: number): void
  looking(): void
  mail(mail: CaughtMail): void
  arrived(name: string, what: string, note: string): void
  decisions(plans: readonly { readonly message: AcceptedMessage; readonly decisions: readonly Decision[] }[]): void
  complain(complaints: readonly string[]): void
  /** @param complaints empty when all went well */
  close(complaints: readonly string[]): void
}

export function createReport({ paint, line, heading, name }: Print): Report {
  const complain = (complaints: readonly string[]) => {
    for (const complaint of complaints) line(`\n  ${paint(['bold', 'red'], `✗ ${complaint}`)}`)
  }
  return {
    starting: () => line(`\n  ${paint('dim', 'Starting a server …')}`),
    open(url, note) {
      line(`\n  ${paint('bold', 'Carillon')}  ${url}/graphql`)
      line(`  ${paint('dim', note)}`)
    },
    accepted(messages) {
      heading('Accepted', 'each answered once it was committed')
      for (const { name: over, to, title, tookMs } of messages) {
        line(`  ${name(over)} ${milliseconds(tookMs)}  ${title}  ${paint('dim', `→ ${to}`)}`)
      }
      heading('Live', 'over WebSocket; time since it was accepted')
    },
    event({ name: over }, { type, channel, providerId, error }, sinceMs) {
      const route = [channel, providerId].filter((part) => part !== null).join(' · ')
      line(
        `  ${name(over)} ${milliseconds(sinceMs)}  ${paint(styleOf(type), type.padEnd(11))} ${paint('dim', route)} ${error ?? ''}`.trimEnd(),
      )
    },
    mail({ subject, from, to, text, url }) {
      line(`  ${name('email')} ${subject}  ${paint('dim', url)}`)
      for (const header of [`From: ${from}`, `To: ${to}`, '', ...text.trim().split('\n')]) {
        line(`  ${name('')} ${paint('dim', `│ ${header}`)}`)
      }
    },
    looking: () => heading('Arrived', 'at the mail catcher, in the inbox, and outside'),
    arrived: (over, what, note) => void line(`  ${name(over)} ${what}  ${paint('dim', note)}`),
    decisions(plans) {
      heading('Why', 'the decisions that each message keeps')
      for (const { message, decisions } of plans) {
        for (const { rule, subject, because } of decisions.filter(({ passed }) => passed)) {
          line(`  ${name(message.name)} ${paint('green', '✓')} ${rule.padEnd(8)} ${subject}: ${because}`)
        }
        for (const [rule, subjects] of refusalsOf(decisions)) {
          line(`  ${name(message.name)} ${paint('red', '✗')} ${rule.padEnd(8)} ${paint('dim', subjects.join(', '))}`)
        }
      }
    },
    complain,
    close(complaints) {
      if (complaints.length === 0)
        line(`\n  ${paint(['bold', 'green'], 'Every message reached those it should, and nobody who had opted out.')}\n`)
      complain(complaints)
    },
  }
}

/** What one rule said no to, together. */
function refusalsOf(decisions: readonly Decision[]): Map<string, string[]> {
  const subjects = Map.groupBy(
    decisions.filter(({ passed }) => !passed),
    ({ rule }) => rule,
  )
  return new Map([...subjects].map(([rule, found]) => [rule, found.map(({ subject }) => subject)]))
}
