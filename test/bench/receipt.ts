import { readFileSync } from 'node:fs'
import type { Content } from '../../src/render/element.ts'
import { type Json, NO_TRACKING, type RenderJob } from '../../src/render/job.ts'

/** The starter template that benches render: a loop over what was bought, columns, conditions, dates and amounts. */
const { content, dataSchema, sample } = JSON.parse(
  readFileSync(new URL('../../templates/receipt.json', import.meta.url), 'utf8'),
) as { readonly content: Content; readonly dataSchema: Json; readonly sample: Json }

export const RECEIPT = { content, dataSchema }

/** What somebody bought: no two are the same. The address stands on one line, since how a text is laid out goes by its lines. */
export function purchase(number: number): Json {
  const order = { ...(sample.order as Json), number: `R-${number}`, url: `https://shop.example/orders/${number}` }
  return { ...sample, name: `Customer ${number}`, order, address: `Am Wall ${number}, 28195 Bremen` }
}

/** A content as an email to somebody of whom nothing else is known. */
export function emailJob(document: string, data: Json, messageId = 'msg_bench'): RenderJob {
  return {
    document,
    brand: null,
    channel: 'EMAIL',
    provider: null,
    locale: null,
    onMissing: 'EMPTY',
    values: {
      data,
      profile: null,
      tenant: null,
      urls: { unsubscribe: null, preferences: null },
      carillon: { messageId, event: null, environment: 'bench', recipient: null, template: 'receipt', year: 2026 },
    },
    tracking: NO_TRACKING,
    overridingHtml: null,
  }
}
