import type { Channel } from '../channels/provider.ts'
import type { RenderInput } from '../render/content.ts'
import type { RenderRefusal } from '../render/template.ts'
import type { Links } from './link.ts'
import type { Decision, Stopped } from './plan.ts'
import type { Occasion, Situation } from './situation.ts'

/** The pages of ours that a message may link to; null where there is nobody, or nothing, to link for. */
export interface Urls {
  /** On topics that ask for it. */
  readonly unsubscribe: string | null
  readonly preferences: string | null
}

/** Makes links that act for a user, or only look as if. */
export type LinkMaker = Pick<Links, 'unsubscribeUrl' | 'preferencesUrl'>

const NONE: Urls = { unsubscribe: null, preferences: null }

/** Links are for users, whose choices are kept: an ad-hoc address has none. */
export function urlsOf({ environmentId, userId, tenantId }: Occasion, { topic }: Situation, links: LinkMaker): Urls {
  if (userId === null) return NONE
  const person = { environmentId, userId, tenantId }
  return {
    unsubscribe: topic?.includeUnsubscribeHeader ? links.unsubscribeUrl({ ...person, topicId: topic.id }) : null,
    preferences: links.preferencesUrl(person),
  }
}

/** What a message says and in which context, as a channel renders it. */
export function renderInputOf(
  channel: Channel,
  occasion: Occasion,
  situation: Situation,
  urls: Urls,
  messageId: string,
): RenderInput {
  const { data, snapshot, tenant, emailBrand } = situation
  const brand = (channel === 'EMAIL' ? emailBrand : null) ?? situation.brand
  return { content: occasion.definition.content, messageId, data, profile: snapshot.profile, tenant, brand, urls }
}

/** A message that a channel cannot say: it would not say it later, either. */
export function unrendered(channel: Channel, { message }: RenderRefusal, before: readonly Decision[]): Stopped {
  const decision: Decision = { rule: 'render', subject: channel, passed: false, because: message, detail: null }
  return { kind: 'stop', status: 'UNDELIVERABLE', reason: 'RENDER_ERROR', error: message, decisions: [...before, decision] }
}
