import { readFile } from 'node:fs/promises'
import type { Api } from './api.ts'
import { type DemoEvent, EVENT_FIELDS, PATIENCE_MS } from './demo-event.ts'
import { type CaughtMail, caughtMailTo } from './demo-mail.ts'
import type { ReceiptReport } from './demo-receipt-report.ts'
import type { Stage } from './demo-stage.ts'

/** Who gets the receipt, and in whose colours. */
export interface Order {
  readonly name: string
  readonly userId: string
  readonly email: string
  readonly templateId: string
  readonly brandId: string
}

/** What is shown of the template's published version. */
export interface Published {
  readonly number: number
  readonly elements: number
}

/** A page of the server, and what is to be seen there. */
export interface Sight {
  readonly url: string
  readonly note: string
}

interface Starter {
  readonly name: string
  readonly content: { readonly elements: readonly unknown[] }
  readonly dataSchema: object
  readonly sample: Readonly<Record<string, unknown>>
}

const STARTER = new URL('../../templates/receipt.json', import.meta.url)
export const BRAND = { name: 'Roastery', settings: { colors: { primary: '#7c3f1d' } } }

/**
 * The fourth act: the receipt, one of the templates that ship, is published and sent; its reader opens it and follows its
 * link; and it is said where it can be looked at.
 *
 * @returns a few words about each thing that was not as it should be
 */
export async function playReceipt(stage: Stage, report: ReceiptReport): Promise<readonly string[]> {
  const { api, signal } = stage
  const starter = JSON.parse(await readFile(STARTER, 'utf8')) as Starter
  const order = orderOf(stage.run)
  report.setting(order, await publish(stage, order, starter))
  report.refused(await refusalOf(api, order, starter))
  report.live()
  const { id, complaints } = await deliver(stage, order, starter, report)
  signal.throwIfAborted()
  const mail = await caughtMailTo(api, order.email)
  if (mail !== null) report.mail(mail)
  report.sights(await sightsOf(api, id, mail), stage.outside !== null)
  if (mail === null && stage.outside !== null) return [...complaints, 'the receipt was not caught']
  return complaints
}

function orderOf(run: string): Order {
  const name = 'hedy'
  const ids = { templateId: `demo-receipt-${run}`, brandId: `demo-roastery-${run}` }
  return { name, userId: `demo-${name}-${run}`, email: `${name}+${run}@example.com`, ...ids }
}

async function publish({ api, traces }: Stage, { userId, templateId, brandId }: Order, starter: Starter): Promise<Published> {
  const { sample: _sample, ...template } = starter
  traces.add('user', userId)
  traces.add('template', templateId)
  traces.add('brand', brandId)
  await api.call(PUT_BRAND, { id: brandId, input: BRAND })
  await api.call(PUT_TEMPLATE, { id: templateId, input: { ...template, brandId } })
  const { publishTemplate } = await api.call<PublishAnswer>(PUBLISH, { id: templateId })
  return { number: publishTemplate.published.number, elements: starter.content.elements.length }
}

/** What a caller hears who forgets a field. */
async function refusalOf(api: Api, order: Order, { sample }: Starter): Promise<string> {
  const { total: _total, ...data } = sample
  try {
    await api.call(SEND, { input: inputOf(order, data) })
    return 'it was accepted all the same'
  } catch (error) {
    return (error as Error).message
  }
}

/** Opens and clicks are tracked, which they are not unless somebody says so. */
function inputOf({ userId, email, templateId }: Order, data: object) {
  return {
    to: { userId, email },
    template: templateId,
    data,
    routing: { method: 'SINGLE', channels: [{ channel: 'EMAIL' }] },
    channels: { email: { override: { trackOpens: true, trackClicks: true } } },
  }
}

/** Sends it, and reads it as soon as it is there. */
async function deliver(
  { api }: Stage,
  order: Order,
  { sample }: Starter,
  report: ReceiptReport,
): Promise<{ readonly id: string; readonly complaints: readonly string[] }> {
  const { send } = await api.call<SendAnswer>(SEND, { input: inputOf(order, { ...sample, name: 'Hedy' }) })
  const { requestId } = send
  const events = api.follow<{ messageEvents: DemoEvent }>(EVENTS, { requestId }, AbortSignal.timeout(PATIENCE_MS))
  const seen = new Set<string>()
  let begunAt: number | null = null
  for await (const { messageEvents: event } of events) {
    const at = Date.parse(event.at)
    begunAt ??= at
    seen.add(event.type)
    report.event(order, event, at - begunAt)
    if (event.type === 'SENT') await read(api, send.message.id)
    if (event.type === 'CLICKED' || /^UN|CANCELED|FILTERED|THROTTLED/.test(event.type)) break
  }
  const unseen = ['SENT', 'OPENED', 'CLICKED'].filter((type) => !seen.has(type))
  return { id: send.message.id, complaints: unseen.map((type) => `the receipt is not ${type}`) }
}

/** Loads the mail's pixel and follows its first tracked link, as a reader's program does. */
async function read(api: Api, id: string): Promise<void> {
  const { message } = await api.call<{ message: { output: { html: string | null }[] } }>(OUTPUT, { id })
  const html = message.output.map((one) => one.html ?? '').join('')
  for (const kind of ['o', 'c']) {
    const [, found] = new RegExp(`(?:src|href)="([^"]*/t/${kind}/[^"]*)"`).exec(html) ?? []
    if (found !== undefined) await api.visit(found.replaceAll('&amp;', '&'))
  }
}

async function sightsOf(api: Api, messageId: string, mail: CaughtMail | null): Promise<readonly Sight[]> {
  const { previewLink } = await api.call<{ previewLink: { url: string } }>(PREVIEW_LINK, { input: { messageId } })
  const preview = { url: previewLink.url, note: 'wide and narrow, light and dark, its text, and on the other channels' }
  return [preview, ...(mail === null ? [] : [{ url: mail.url, note: 'the mail as it was caught' }])]
}

interface PublishAnswer {
  readonly publishTemplate: { readonly published: { readonly number: number } }
}
interface SendAnswer {
  readonly send: { readonly requestId: string; readonly message: { readonly id: string } }
}

const PUT_BRAND = 'mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { id } }'
const PUT_TEMPLATE = 'mutation ($id: ID!, $input: TemplateInput!) { putTemplate(id: $id, input: $input) { id } }'
const PUBLISH = 'mutation ($id: ID!) { publishTemplate(id: $id) { published { number } } }'
const SEND = 'mutation ($input: SendInput!) { send(input: $input) { requestId message { id } } }'
const EVENTS = `subscription ($requestId: ID!) { messageEvents(filter: { requestId: $requestId }) { ${EVENT_FIELDS} } }`
const OUTPUT = 'query ($id: ID!) { message(id: $id) { output { html } } }'
const PREVIEW_LINK = 'query ($input: PreviewInput!) { previewLink(input: $input) { url } }'
