import type { Decision, DemoEvent } from './demo-event.ts'
import type { Errand, Health, Kept, KeptAttempt, PlannedRoute } from './demo-failover.ts'
import { milliseconds, type Print, styleOf } from './demo-print.ts'

/** What the demo shows of its message whose first account is down. */
export interface FailoverReport {
  setting(errand: Errand): void
  /** @param calm the same, where it is not urgent */
  plan(urgent: PlannedRoute, calm: PlannedRoute): void
  live(): void
  /** @param sinceMs since the message was accepted, by the server's clock */
  event(errand: Errand, event: DemoEvent, sinceMs: number): void
  arrived(title: string, note: string): void
  /** @param asPlanned whether the plan said the same */
  reason(message: Kept, asPlanned: boolean): void
  /**
   * @param more what was sent until the accounts' health was asked
   * @param last what was sent after it
   */
  health(more: readonly Kept[], states: readonly Health[], last: Kept): void
  delayed(): void
  /** An event of the message that is delayed, and how it stands. */
  waiting(errand: Errand, event: DemoEvent, message: { readonly scheduledFor: string | null; readonly isUntried: boolean }): void
}

export function createFailoverReport({ paint, line, heading, name }: Print): FailoverReport {
  const status = (word: string, width: number) => paint(styleOf(word), word.padEnd(width))
  const mark = ({ passed }: Decision) => (passed ? paint('green', '✓') : paint('red', '✗'))
  const planRow = (title: string, { outcome, steps, decisions }: PlannedRoute) => {
    const refused = decisions.filter(({ passed }) => !passed).map((one) => `${mark(one)} ${one.rule}: ${one.because}`)
    const route = steps.map(({ channel, providerId }) => `${channel} · ${providerId}`).join(', then ')
    line(`  ${name(title)} ${status(outcome, 6)}  ${[paint('dim', route), ...refused].join('  ')}`)
  }
  const attemptRow = ({ number, startedAt, endedAt, outcome, code, error }: KeptAttempt) => {
    const tookMs = Date.parse(endedAt ?? startedAt) - Date.parse(startedAt)
    const words = [code, error].filter((part) => part !== null).join(' ')
    line(`  ${name('')} ${number}  ${status(outcome ?? 'under way', 9)} ${milliseconds(tookMs)}  ${words}`)
  }

  return {
    setting({ accounts: { first, second } }) {
      heading('When a provider is down', 'two accounts carry email, and nobody answers at the first')
      for (const [title, account] of [['first', first] as const, ['second', second] as const]) {
        line(`  ${name(title)} ${account?.id ?? 'none'}  ${paint('dim', account?.note ?? 'this server has no other')}`.trimEnd())
      }
      line(`  ${name('routing')} SINGLE, EMAIL then INBOX  ${paint('dim', 'email on the condition data.urgent')}`)
    },
    plan(urgent, calm) {
      heading('Planned', 'by planSend: with data.urgent, and without')
      planRow('urgent', urgent)
      planRow('calm', calm)
    },
    live: () => heading('Live', 'the urgent one; time since it was accepted'),
    event({ name: who }, { type, channel, providerId, error }, sinceMs) {
      const route = [channel, providerId].filter((part) => part !== null).join(' · ')
      const words = [route, error].filter((part) => part !== null && part !== '').join('  ')
      line(`  ${name(who, 'email')} ${milliseconds(sinceMs)}  ${status(type, 11)} ${paint('dim', words)}`.trimEnd())
    },
    arrived: (title, note) => void line(`  ${name('mail')} ${title}  ${paint('dim', note)}`),
    reason({ deliveries, decisions }, asPlanned) {
      heading('Why it went this way', 'each attempt, as its delivery keeps it')
      for (const { channel, providerId, status: ended, attempts } of deliveries) {
        line(`  ${name(channel.toLowerCase())} ${providerId}  ${status(ended, 0)}`)
        attempts.forEach(attemptRow)
      }
      line(`  ${paint('dim', `the rules that were asked before${asPlanned ? ', the same as planned' : ''}`)}`)
      for (const one of decisions) line(`  ${mark(one)} ${one.rule.padEnd(9)} ${one.subject}: ${one.because}`)
    },
    health(more, states, last) {
      heading('After more of them', 'an account that fails again and again is passed over for a while')
      const [first] = states
      const attempts = more.map(
        ({ deliveries }) => deliveries.find(({ providerId }) => providerId === first?.id)?.attempts.length ?? 0,
      )
      line(`  ${name('sent')} ${more.length} more  ${paint('dim', `which tried ${first?.id} ${attempts.join(' and ')} times`)}`)
      for (const { id, health, lastError } of states) {
        line(`  ${name('account')} ${id}  ${status(health, 7)}  ${paint('dim', lastError ?? '')}`.trimEnd())
      }
      const tried = last.deliveries.map(({ channel, providerId }) => `${channel} · ${providerId}`).join(', then ')
      line(`  ${name('next')} ${paint('dim', last.history.nodes.map(({ type }) => type).join(' → '))}  ${tried}`)
    },
    delayed: () => heading('Canceled in time', 'the same, delayed for an hour and called off'),
    waiting({ name: who }, { type }, { scheduledFor, isUntried }) {
      const note = type === 'DELAYED' ? `until ${scheduledFor}` : type === 'CANCELED' && isUntried ? 'no provider was called' : ''
      line(`  ${name(who, 'email')} ${status(type, 8)}  ${paint('dim', note)}`.trimEnd())
    },
  }
}
