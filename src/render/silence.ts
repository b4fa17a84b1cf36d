import type { Block, Channel, Rendered } from '../channels/provider.ts'
import { RenderRefusal } from './template.ts'

/** Whether nothing is to be read or seen of a message: a line alone says nothing. */
export const isSilent = (title: string, blocks: readonly Block[]) =>
  title === '' && blocks.every(({ kind }) => kind === 'divider')

/**
 * Whether a reader would have nothing before them, though a channel shows less than there is: a text message has no images. A
 * chat service's own blocks are taken to say something, and a webhook brings the data.
 *
 * @param content of the message that the title and the blocks are, as the channel shows it
 */
export function showsNothing(channel: Channel, title: string, blocks: readonly Block[], content: Rendered): boolean {
  if (channel === 'WEBHOOK') return false
  if (channel === 'DIRECT_MESSAGE') return content.payload === undefined && isSilent(title, blocks)
  return isSilent(title, blocks) || !(content.title || content.text || content.actions?.length)
}

const nothingOn = (channel: Channel, why: string) =>
  new RenderRefusal(`The content says nothing on ${channel}: ${why}`, { isSilence: true })

/** A document that has nothing for a channel, which may well be meant. */
export const hasNothing = (channel: Channel) => nothingOn(channel, 'no element is for it.')

/** A message that came to nothing is not sent: its reader would not know what it is about. */
export const cameToNothing = (channel: Channel) => nothingOn(channel, 'what is for it is empty, or left out by its conditions.')
