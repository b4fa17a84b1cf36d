import type { Channel, Rendered } from '../channels/provider.ts'
import type { RenderedBrand } from './brand.ts'
import { renderChat } from './chat.ts'
import { speaks } from './document.ts'
import { renderEmail } from './email.ts'
import { createFlow } from './flow.ts'
import { renderInbox } from './inbox.ts'
import type { RenderJob } from './job.ts'
import { type Message, messageOf } from './message.ts'
import { brandOf, documentOf } from './parsed.ts'
import { createPrinter } from './printer.ts'
import { renderPush } from './push.ts'
import { cameToNothing, hasNothing, showsNothing } from './silence.ts'
import { renderSms } from './sms.ts'
import type { TemplateContext } from './template.ts'
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
    throw hasNothing(job.channel)
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
