import type { DemoEvent } from './demo-event.ts'
import type { CaughtMail } from './demo-mail.ts'
import { milliseconds, type Print, styleOf } from './demo-print.ts'
import { BRAND, type Order, type Published, type Sight } from './demo-receipt.ts'

/** What the demo shows of its receipt. */
export interface ReceiptReport {
  setting(order: Order, published: Published): void
  /** @param words what a caller hears who forgets a field */
  refused(words: string): void
  live(): void
  /** @param sinceMs since the message was accepted, by the server's clock */
  event(order: Order, event: DemoEvent, sinceMs: number): void
  mail(mail: CaughtMail): void
  /** @param isPassing the server goes with the demo, and with it all that there is to see */
  sights(sights: readonly Sight[], isPassing: boolean): void
}

export function createReceiptReport({ paint, line, heading, name }: Print): ReceiptReport {
  return {
    setting({ templateId, brandId }, { number, elements }) {
      heading('A receipt', 'from one of the templates that ship')
      line(`  ${name('template')} ${templateId}  ${paint('dim', `version ${number}, ${elements} elements`)}`)
      line(`  ${name('brand')} ${brandId}  ${paint('dim', `${BRAND.name}, ${BRAND.settings.colors.primary}`)}`)
    },
    refused: (words) => line(`  ${name('refused')} ${paint('yellow', words)}  ${paint('dim', 'a send without the total')}`),
    live: () => heading('Live', 'its reader opens it, and follows its link'),
    event({ name: who }, { type, channel, providerId, error }, sinceMs) {
      const route = [channel, providerId].filter((part) => part !== null).join(' · ')
      line(
        `  ${name(who, 'email')} ${milliseconds(sinceMs)}  ${paint(styleOf(type), type.padEnd(10))} ${paint('dim', route)} ${error ?? ''}`.trimEnd(),
      )
    },
    mail({ subject, text }) {
      heading('Its text part', subject)
      for (const words of text.trim().split('\n')) line(`  ${paint('dim', `│ ${words}`.trimEnd())}`)
    },
    sights(sights, isPassing) {
      heading('Where to look at it', isPassing ? 'while the demo runs' : '')
      for (const { url, note } of sights) line(`  ${url}\n  ${paint('dim', note)}`)
    },
  }
}
