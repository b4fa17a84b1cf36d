import { styleText } from 'node:util'
import type { AcceptedMessage, CaughtMail, Decision, DemoEvent } from './demo.ts'

/** What the demo shows. Colours where the stream is a terminal that takes them (NO_COLOR is heeded). */
export interface Report {
  starting(): void
  open(url: string, note: string): void
  accepted(messages: readonly AcceptedMessage[]): void
  /** @param sinceMs since the message was accepted, by the server's clock */
  event(message: AcceptedMessage, event: DemoEvent, sinceMs: number): void
  looking(): void
  mail(mail: CaughtMail, text: string, url: string): void
  arrived(name: string, what: string, note: string): void
  decisions(plans: readonly { readonly message: AcceptedMessage; readonly decisions: readonly Decision[] }[]): void
  /** @param complaints empty when all went well */
  close(count: number, complaints: readonly string[]): void
}

type Style = Parameters<typeof styleText>[0]

const HUES: Readonly<Record<string, Style>> = { email: 'cyan', inbox: 'magenta', webhook: 'yellow', push: 'blue' }

export function createReport(stream: NodeJS.WriteStream): Report {
  const paint = (style: Style, text: string) => styleText(style, text, { stream })
  const line = (text = '') => stream.write(`${text}\n`)
  const heading = (text: string, note = '') => line(`\n  ${paint('bold', text)}  ${paint('dim', note)}`.trimEnd())
  const name = (text: string) => paint(HUES[text] ?? 'white', text.padEnd(8))

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
    mail({ subject, from, to }, text, url) {
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
    close(count, complaints) {
      if (complaints.length === 0) line(`\n  ${paint(['bold', 'green'], `All ${count} messages were sent.`)}\n`)
      for (const complaint of complaints) line(`\n  ${paint(['bold', 'red'], `✗ ${complaint}`)}`)
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

function milliseconds(value: number): string {
  return `${Math.round(value).toString().padStart(6)} ms`
}

function styleOf(type: string): Style {
  if (type === 'SENT') return 'green'
  if (/^UN|FAILED|CANCELED|THROTTLED|FILTERED/.test(type)) return 'red'
  return type === 'RETRYING' ? 'yellow' : 'white'
}
