import type { Place } from './bulk-line.ts'
import type { Row } from './bulk-source.ts'

/** Rows that are added by one call, with the refused ones between them. */
export interface Batch {
  /** From 0, the same each time a file is read. */
  readonly index: number
  readonly rows: readonly Row[]
  /** Behind the last of them. */
  readonly end: Place
}

const MAX_ROWS = 1000
/** A third of what the server takes in one call: a recipient grows a little on its way. */
const MAX_BYTES = 2 * 1024 * 1024

/** Cuts rows into batches by nothing but themselves, so that whoever begins anew at the end of one makes the same ones. */
export async function* batched(rows: AsyncIterable<Row>, firstIndex: number): AsyncGenerator<Batch, void, void> {
  let index = firstIndex
  let held: Row[] = []
  let bytes = 0
  const release = (): Batch => {
    const batch = { index, rows: held, end: held.at(-1)!.end }
    index += 1
    held = []
    bytes = 0
    return batch
  }
  for await (const row of rows) {
    const size = row.raw.length * 2
    if (held.length > 0 && bytes + size > MAX_BYTES) yield release()
    held.push(row)
    bytes += size
    if (held.length === MAX_ROWS) yield release()
  }
  if (held.length > 0) yield release()
}
