import { CHANNELS, type Channel } from '../channels/provider.ts'
import { badInput } from '../errors.ts'
import type { Content } from '../render/element.ts'
import { checkId } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'
import { checkLocale } from './profile.ts'
import { type ContentInput, checkContent } from './send.ts'

/** What is to be shown, and as whom it is shown to. */
export interface PreviewInput {
  readonly template?: string | null
  readonly version?: number | null
  readonly draft?: boolean | null
  readonly content?: ContentInput | null
  readonly messageId?: string | null
  readonly data?: JsonObject | null
  readonly userId?: string | null
  readonly profile?: JsonObject | null
  readonly tenantId?: string | null
  readonly brandId?: string | null
  readonly locale?: string | null
  readonly channels?: readonly Channel[] | null
  readonly providerId?: string | null
}

/** Which text it is: a version by its number, null for the one that is published, or that the message was sent with. */
export type PreviewSource =
  | { readonly kind: 'template'; readonly id: string; readonly version: number | 'draft' | null }
  | { readonly kind: 'content'; readonly content: Content }
  | { readonly kind: 'message'; readonly id: string; readonly version: number | 'draft' | null }

/** A preview that needs nothing but the database any more. */
export interface CheckedPreview {
  readonly source: PreviewSource
  /** Null: what the message or the user has. */
  readonly data: JsonObject | null
  readonly profile: JsonObject | null
  readonly userId: string | null
  readonly tenantId: string | null
  readonly brandId: string | null
  readonly locale: string | null
  /** Those that were asked for by name; null: every one that the content can take. */
  readonly channels: readonly Channel[] | null
  /** The account that is to show it, and it alone. */
  readonly providerId: string | null
}

/** @throws Refusal BAD_USER_INPUT with the path of the fault */
export function checkPreview(input: PreviewInput): CheckedPreview {
  const { data = null, profile = null, userId = null, tenantId = null, brandId = null, locale = null } = input
  const { providerId = null } = input
  checkSize(data, ['input', 'data'])
  checkSize(profile, ['input', 'profile'])
  for (const [name, id] of Object.entries({ userId, tenantId, brandId, providerId }))
    if (id !== null) checkId(id, ['input', name])
  if (locale !== null) checkLocale(locale, ['input', 'locale'])
  const source = sourceOf(input)
  return { source, data, profile, userId, tenantId, brandId, locale, channels: channelsOf(input), providerId }
}

function sourceOf({ template, content, messageId, version = null, draft }: PreviewInput): PreviewSource {
  const given = [template, content, messageId].filter((one) => one != null)
  if (given.length !== 1) throw badInput(['input'], "Exactly one of 'template', 'content' and 'messageId' must be given.")
  if (version !== null && draft) throw badInput(['input', 'version'], "'version' is not given together with draft: true.")
  if (version !== null && version < 1) throw badInput(['input', 'version'], "'version' must be 1 or more.")
  const wanted = draft ? 'draft' : version
  if (template != null) return { kind: 'template', id: template, version: wanted }
  if (messageId != null) return { kind: 'message', id: messageId, version: wanted }
  if (wanted !== null) {
    throw badInput(['input', draft ? 'draft' : 'version'], 'A content has no versions: they are for a template or a message.')
  }
  return { kind: 'content', content: checkContent(content!, ['input', 'content']) }
}

function channelsOf({ channels, providerId }: PreviewInput): readonly Channel[] | null {
  if (channels == null) return null
  if (providerId != null) {
    throw badInput(['input', 'channels'], "'channels' is not given together with 'providerId': an account has one channel.")
  }
  if (channels.length === 0) throw badInput(['input', 'channels'], "'channels' must name at least one channel, or be left out.")
  return CHANNELS.filter((channel) => channels.includes(channel))
}
