import { setImmediate as nextTurn } from 'node:timers/promises'

/** The longest that a turn of the event loop is used for, in milliseconds, but for an item that takes longer by itself. */
const SLICE_MS = 5

/** The thread has one event loop, so all who work in slices wait in one row. */
let row: Promise<unknown> = Promise.resolve()

/**
 * Looks through items for the first that says something, a few in each turn of the event loop, so that nobody who asks for
 * little waits for long. However many do so at once, each turn is one's. What is found within the first slice does not wait.
 *
 * @param find what it says of an item; null: nothing
 * @returns null where all say nothing
 */
export async function findInSlices<Item, Found>(
  items: readonly Item[],
  find: (item: Item) => Found | null,
): Promise<Found | null> {
  let since = performance.now()
  for (const item of items) {
    if (performance.now() - since >= SLICE_MS) {
      row = row.then(() => nextTurn())
      await row
      since = performance.now()
    }
    const found = find(item)
    if (found !== null) return found
  }
  return null
}
