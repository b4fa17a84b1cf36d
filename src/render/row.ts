import type { Block, Span } from '../channels/provider.ts'
import { joined } from './markdown.ts'

const LONGEST_CELL = 60
/** Blocks that are rows, so that the next row goes beneath them. */
const rows = new WeakSet<Block>()

/**
 * Columns where they cannot stand beside each other: what each says in one row where it is short, otherwise one beneath the
 * other. Rows of a loop are lines of one block. between: signs between more than two.
 */
export function addRow(blocks: Block[], cells: readonly (readonly Block[])[], between = ' · '): void {
  const told = cells.filter((cell) => cell.length > 0)
  const lines = told.map(lineOf)
  if (told.length < 2 || lines.includes(null)) {
    blocks.push(...told.flat())
    return
  }
  const gap = { text: told.length === 2 ? ': ' : between }
  const spans = (lines as (readonly Span[])[]).flatMap((line, index) => (index === 0 ? line : [gap, ...line]))
  const before = blocks.at(-1)
  if (before !== undefined && rows.has(before) && before.kind === 'text') {
    blocks[blocks.length - 1] = asRow([...before.spans, { text: '\n' }, ...spans])
  } else {
    blocks.push(asRow(spans))
  }
}

function asRow(spans: readonly Span[]): Block {
  const row: Block = { kind: 'text', spans: joined(spans) }
  rows.add(row)
  return row
}

/** A cell of few words, one behind the other (a number, and what it counts); null for one that takes more. */
function lineOf(cell: readonly Block[]): readonly Span[] | null {
  const lines = cell.map((block) => (block.kind === 'heading' || block.kind === 'text' ? block.spans : null))
  if (lines.includes(null)) return null
  const line = (lines as (readonly Span[])[]).flatMap((spans, index) => (index === 0 ? spans : [{ text: ' ' }, ...spans]))
  const text = line.map((span) => span.text).join('')
  return text.includes('\n') || text.length > LONGEST_CELL ? null : line
}
