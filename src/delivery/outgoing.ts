import type { Attachment, Extras, Outgoing, Rendered } from '../channels/provider.ts'
import { contentToSend } from '../domain/channel-override.ts'
import { type AttachmentSetting, said } from '../domain/channel-settings.ts'
import type { Step } from '../domain/plan.ts'
import type { Definition } from '../domain/send.ts'

/** What a send says about its channels and accounts goes over what was rendered. Pure; what was rendered stays what is kept. */

type Manner = Pick<Definition, 'channels' | 'providers'>
type Turn = Pick<Step, 'channel' | 'providerId'>

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
