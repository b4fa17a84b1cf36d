import { LRUCache } from 'lru-cache'
import type { Channel, Rendered } from '../channels/provider.ts'
import type { RenderedBrand } from './brand.ts'
import { renderChat } from './chat.ts'
import { type Audience, type Document, nothingOn, resolveDocument, speaks } from './document.ts'
import type { Content } from './element.ts'
import { renderEmail } from './email.ts'
import { createFlow } from './flow.ts'
import { renderInbox } from './inbox.ts'
import type { RenderJob } from './job.ts'
import { type Message, messageOf } from './message.ts'
import { createPrinter } from './printer.ts'
import { renderPush } from './push.ts'
import { cameToNothing, showsNothing } from './silence.ts'
import { renderSms } from './sms.ts'
import { RenderRefusal, type TemplateContext } from './template.ts'
import { renderWebhook } from './webhook.ts'

const RENDERERS: { readonly [C in Exclude<Channel, 'EMAIL'>]: (message: Message) => Rendered } = {
  SMS: renderSms,
  PUSH: renderPush,
  INBOX: renderInbox,
  DIRECT_MESSAGE: renderChat,
  WEBHOOK: renderWebhook,
}

/**
 * What a document says on one channel. Fields that a channel has no use for are left out. The same job renders the same.
 *
 * @throws RenderRefusal for what breaks the limits of templates, elements or the channel, and for a document that has nothing
 * for the channel, or came to nothing there with these values: it fails the channel
 */
export async function render(job: RenderJob): Promise<Rendered> {
  const brand = job.brand === null ? null : brandOf(job.brand)
  const document = documentOf(job)
  if (job.channel !== 'WEBHOOK' && !speaks(document, job.channel)) {
    throw new RenderRefusal(`${nothingOn(job.channel)} no element is for it.`)
  }
  const printer = createPrinter(contextOf(job, brand), { onMissing: job.onMissing })
  if (job.channel === 'EMAIL') return renderEmail(document, createFlow(printer, document.refs), job, brand)
  const message = messageOf(job, document, printer)
  const content = RENDERERS[job.channel](message)
  if (!job.mayBeSilent && showsNothing(job.channel, message.title, message.blocks, content)) throw cameToNothing(job.channel)
  return content
}

function contextOf({ values }: RenderJob, brand: RenderedBrand | null): TemplateContext {
  return {
    ...values,
    brand: brand && { id: brand.id, name: brand.name, colors: brand.colors, logo: brand.logo, theme: brand.theme },
    snippets: brand?.snippets ?? new Map<string, string>(),
  }
}

// ── What jobs of one template and brand have in common is read once ──────────

const CACHED_BYTES = 32 * 1024 * 1024
const MOST_AUDIENCES = 100

interface Read {
  readonly content: Content
  readonly documents: LRUCache<string, Document>
}

const contents = new LRUCache<string, Read>({ maxSize: CACHED_BYTES, sizeCalculation: (_read, text) => 16 * text.length + 1 })
const brands = new LRUCache<string, RenderedBrand>({
  maxSize: CACHED_BYTES,
  sizeCalculation: (_brand, text) => 4 * text.length + 1,
})

/** The same object for the same document and audience, so that what is compiled of it can be remembered by it. */
function documentOf({ document, channel, provider, locale }: RenderJob): Document {
  const read = memoised(contents, document, () => ({
    content: JSON.parse(document) as Content,
    documents: new LRUCache<string, Document>({ max: MOST_AUDIENCES }),
  }))
  const audience: Audience = { channel, provider, locale }
  return memoised(read.documents, JSON.stringify(audience), () => resolveDocument(read.content, audience))
}

function brandOf(text: string): RenderedBrand {
  return memoised(brands, text, () => {
    const brand = JSON.parse(text) as Omit<RenderedBrand, 'snippets'> & { readonly snippets: Readonly<Record<string, string>> }
    return { ...brand, snippets: new Map(Object.entries(brand.snippets)) }
  })
}

function memoised<T extends object>(cache: LRUCache<string, T>, key: string, make: () => T): T {
  const known = cache.get(key)
  if (known !== undefined) return known
  const fresh = make()
  cache.set(key, fresh)
  return fresh
}
