import type { Attachment, Extras, Outgoing, Rendered } from '../channels/provider.ts'
import { type AttachmentSetting, said } from '../domain/channel-settings.ts'
import { deepMerge, isObject } from '../domain/json.ts'
import type { Step } from '../domain/plan.ts'
import type { Definition } from '../domain/send.ts'
import { oneLine } from '../render/content.ts'

/** What a send says about its channels and accounts goes over what was rendered. Pure; what was rendered stays what is kept. */

type Manner = Pick<Definition, 'channels' | 'providers'>
type Turn = Pick<Step, 'channel' | 'providerId'>

export interface ContentToSend extends Rendered {
  /** Inbox: instead of the beginning of the text. */
  readonly preview?: string
}

/**
 * The content under the channel's override: texts are replaced, as they stand (they are no templates), JSON of pushes and
 * inbox messages merges key by key, and a webhook's body is replaced whole. Without an override the content itself.
 */
export function contentToSend({ channels }: Manner, { channel }: Pick<Turn, 'channel'>, content: Rendered): ContentToSend {
  const override = channels?.[channel]?.override
  if (override === undefined) return content
  const { subject, html, text, title, body, preview, data } = override
  const over = (fields: { readonly [K in keyof ContentToSend]?: ContentToSend[K] | undefined }) => ({
    ...content,
    ...said<ContentToSend>(fields),
  })
  const bodyText = typeof body === 'string' ? body : undefined
  const payload = data && (isObject(content.payload) ? deepMerge(content.payload, data) : data)
  switch (channel) {
    case 'EMAIL':
      return over({ subject: subject && oneLine(subject), html, text })
    case 'SMS':
      return over({ text: bodyText })
    case 'PUSH':
      return over({ title: title && oneLine(title), text: bodyText, payload })
    case 'INBOX':
      return over({ title: title && oneLine(title), text: bodyText, preview, payload })
    case 'DIRECT_MESSAGE':
      return over({ text })
    case 'WEBHOOK':
      return over({ payload: body })
  }
}

/** The files that go with a message on this channel. */
export function attachmentsOf({ channels }: Manner, { channel }: Pick<Turn, 'channel'>): readonly AttachmentSetting[] {
  return channels?.[channel]?.override?.attachments ?? []
}

/**
 * What a step's provider is handed of the content, beside it and over it. The further recipients of an email (cc, bcc) get
 * a copy of every message of the send: one for each person of a group.
 *
 * @param attachments of attachmentsOf, loaded
 */
export function handedOver(
  definition: Manner,
  step: Turn,
  content: Rendered,
  attachments: readonly Attachment[],
): Pick<Outgoing, 'content' | 'extras' | 'override'> {
  const extras = extrasOf(definition, step, attachments)
  const override = definition.providers?.find(({ providerId }) => providerId === step.providerId)?.override
  return { content: contentToSend(definition, step, content), ...(extras && { extras }), ...(override && { override }) }
}

/** Which of them a channel has is what its input in the contract lets a send say. */
function extrasOf({ channels }: Manner, { channel }: Turn, attachments: readonly Attachment[]): Extras | undefined {
  const settings = channels?.[channel]?.override
  if (settings === undefined) return undefined
  const { from, replyTo, cc, bcc, headers, icon, clickAction, blocks } = settings
  const files = attachments.length > 0 ? attachments : null
  const extras = said<Extras>({ from, replyTo, cc, bcc, headers, icon, clickAction, blocks, attachments: files })
  return Object.keys(extras).length > 0 ? extras : undefined
}
