import type { Rendered } from '../../src/channels/provider.ts'
import type { RenderedBrand } from '../../src/render/brand.ts'
import { render } from '../../src/render/content.ts'
import type { Content } from '../../src/render/element.ts'
import { type Json, NO_TRACKING, type RenderJob } from '../../src/render/job.ts'

/** What a test says of a rendering; all else is nothing. */
export interface Given extends Partial<Pick<RenderJob, 'channel' | 'provider' | 'locale' | 'onMissing' | 'overridingHtml'>> {
  readonly data?: Json
  readonly profile?: Json | null
  readonly tenant?: Json | null
  readonly brand?: RenderedBrand | null
  readonly urls?: RenderJob['values']['urls']
  readonly tracking?: Partial<RenderJob['tracking']>
}

export function jobOf(content: Content, given: Given = {}): RenderJob {
  const { data = {}, profile = null, tenant = null, brand = null, urls = { unsubscribe: null, preferences: null } } = given
  return {
    document: JSON.stringify(content),
    brand: brand && JSON.stringify({ ...brand, snippets: Object.fromEntries(brand.snippets) }),
    channel: given.channel ?? 'EMAIL',
    provider: given.provider ?? null,
    locale: given.locale ?? null,
    onMissing: given.onMissing ?? 'EMPTY',
    values: {
      data,
      profile,
      tenant,
      urls,
      carillon: { messageId: 'msg_1', event: null, environment: 'test', recipient: null, template: null, year: 2026 },
    },
    tracking: { ...NO_TRACKING, ...given.tracking },
    overridingHtml: given.overridingHtml ?? null,
  }
}

export function renderContent(content: Content, given?: Given): Promise<Rendered> {
  return render(jobOf(content, given))
}
