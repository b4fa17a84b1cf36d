import { oneLine } from '../channels/one-line.ts'
import type { Channel, Rendered } from '../channels/provider.ts'
import { previewOf } from '../render/line.ts'
import { smsSize, smsText } from '../render/sms.ts'
import { said } from './channel-settings.ts'
import { deepMerge, isObject } from './json.ts'
import type { Definition } from './send.ts'

export interface ContentToSend extends Rendered {
  /** Inbox: instead of the beginning of the text. */
  readonly preview?: string
}

/** What is kept of a rendering: not what goes over it. */
export function contentToKeep({ overridingHtml: _over, ...rendered }: Rendered): Rendered {
  return rendered
}

/**
 * The content under the channel's override: texts are replaced, as they stand (they are no templates, and only the links of
 * HTML are led as all others are), JSON of pushes and
 * inbox messages merges key by key, and a webhook's body is replaced whole. A text message is counted anew. Without an override
 * the content itself.
 */
export function contentToSend(
  { channels }: Pick<Definition, 'channels'>,
  { channel }: { readonly channel: Channel },
  content: Rendered,
): ContentToSend {
  const override = channels?.[channel]?.override
  if (override === undefined) return content
  const { overridingHtml, ...rendered } = content
  const { subject, text, title, body, preview, data } = override
  const over = (fields: { readonly [K in keyof ContentToSend]?: ContentToSend[K] | undefined }) => ({
    ...rendered,
    ...said<ContentToSend>(fields),
  })
  const bodyText = typeof body === 'string' ? body : undefined
  const payload = data && (isObject(content.payload) ? deepMerge(content.payload, data) : data)
  switch (channel) {
    case 'EMAIL':
      return over({ subject: subject && oneLine(subject), html: overridingHtml, text })
    case 'SMS': {
      const text = bodyText === undefined ? undefined : smsText(bodyText)
      return over({ text, payload: text === undefined ? undefined : smsSize(text) })
    }
    case 'PUSH':
      return over({ title: title && oneLine(title), text: bodyText, payload })
    case 'INBOX':
      return over({
        title: title && oneLine(title),
        text: bodyText,
        preview: preview ?? (bodyText === undefined ? undefined : previewOf(bodyText)),
        payload,
      })
    case 'DIRECT_MESSAGE': {
      const { blocks: _blocks, payload: _payload, ...others } = rendered
      // Blocks that say something else would be shown instead.
      return text == null ? content : { ...others, text }
    }
    case 'WEBHOOK':
      return over({ payload: body })
  }
}
