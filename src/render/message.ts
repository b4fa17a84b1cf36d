import { oneLine } from '../channels/one-line.ts'
import type { Action, Block } from '../channels/provider.ts'
import { type Manner, plainText } from './block.ts'
import type { Document } from './document.ts'
import { createFlow } from './flow.ts'
import type { RenderJob } from './job.ts'
import { saidBy } from './said.ts'
import type { Printer } from './template.ts'

/** What a channel makes its message of: the document as it was evaluated, and the job and the document themselves. */
export interface Message {
  readonly job: RenderJob
  readonly document: Document
  readonly printer: Printer
  /** One line; empty for none. */
  readonly title: string
  /** As it was written, whatever is in it; null for none. */
  readonly fullTitle: string | null
  readonly blocks: readonly Block[]
}

export function messageOf(job: RenderJob, document: Document, printer: Printer): Message {
  const { title, blocks } = saidBy(document, createFlow(printer, document.refs), job.channel === 'SMS' ? ' - ' : undefined)
  return { job, document, printer, title: oneLine(title ?? ''), fullTitle: title, blocks }
}

/** What the reader may press, in order. isWeb: only what leads to http(s). */
export function actionsOf(blocks: readonly Block[]): readonly Action[] {
  return blocks.flatMap((block) => (block.kind === 'action' ? [block.action] : []))
}

/** The body beneath its title, with a blank line between them. */
export function underTitle(title: string, blocks: readonly Block[], manner?: Manner): string {
  return [title, plainText(blocks, manner)].filter((part) => part.length > 0).join('\n\n')
}
