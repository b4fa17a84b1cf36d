import type { RenderInput } from '../render/content.ts'
import type { Links } from './link.ts'
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

/** What a message says and in which context, as every channel renders it. */
export function renderInputOf(occasion: Occasion, situation: Situation, urls: Urls, messageId: string): RenderInput {
  const { data, snapshot, tenant, brand } = situation
  return { content: occasion.definition.content, messageId, data, profile: snapshot.profile, tenant, brand, urls }
}
