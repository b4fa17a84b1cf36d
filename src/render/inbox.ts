import type { Block, Rendered } from '../channels/provider.ts'
import { plainText, READING } from './block.ts'
import { previewOf } from './line.ts'
import { actionsOf, type Message } from './message.ts'
import { isWebUrl } from './urls.ts'

/** What a widget shows has lines of its own. */
const MANNER = { ...READING, divider: '' }

/** A message in an inbox. Its actions lead to http(s) alone: one that leads elsewhere is a line of the text. payload: the data. */
export function renderInbox({ job, title, blocks }: Message): Rendered {
  const [pressed, told] = [blocks.filter(canBePressed), blocks.filter((block) => !canBePressed(block))]
  const text = plainText(told, MANNER)
  return { title, text, preview: previewOf(text), actions: actionsOf(pressed), payload: job.values.data }
}

const canBePressed = (block: Block) => block.kind === 'action' && isWebUrl(block.action.href)
