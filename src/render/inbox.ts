import type { Rendered } from '../channels/provider.ts'
import { type Manner, plainText, READING } from './block.ts'
import { previewOf } from './line.ts'
import { actionsOf, type Message } from './message.ts'
import { isWebUrl } from './urls.ts'

/** What can be pressed is told beside the text. */
const MANNER: Manner = { ...READING, actions: false }

/** A message in an inbox. Its actions lead to http(s) alone. payload: the data. */
export function renderInbox({ job, title, blocks }: Message): Rendered {
  const text = plainText(blocks, MANNER)
  const actions = actionsOf(blocks).filter(({ href }) => isWebUrl(href))
  return { title, text, preview: previewOf(text), actions, payload: job.values.data }
}
