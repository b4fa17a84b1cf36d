/**
 * What every template knows of its message, and how it is printed (printer.ts). The language itself: program.ts, and its
 * functions: functions/table.ts.
 */

/** A text that cannot be rendered, or not within its limits. `message` is a sentence for whoever wrote it. It fails its message alone. */
export class RenderRefusal extends Error {
  override readonly name = 'RenderRefusal'
  /** There is nothing to say on the channel, which may well be meant. */
  readonly isSilence: boolean

  constructor(message: string, { isSilence = false } = {}) {
    super(message)
    this.isSilence = isSilence
  }
}

/** What a template may say. A template sees these values and nothing else; of an object its own keys alone. */
export interface TemplateContext {
  readonly data: unknown
  readonly profile: unknown
  readonly tenant: unknown
  readonly brand: unknown
  readonly urls: unknown
  /** Of the message itself: RenderValues.carillon (job.ts). */
  readonly carillon?: unknown
  /** By name. */
  readonly snippets: ReadonlyMap<string, string>
}

/** Names of snippets; 64 characters at most. */
export const SNIPPET_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

/** Where a template stands: in a loop, and behind elements that are known by name. */
export interface Frame {
  /** `$.item` and `$.index`; undefined and null outside of loops. */
  readonly item: unknown
  readonly index: number | null
  /** By name: whether the element was shown, and its own texts. */
  readonly refs: Readonly<Record<string, { readonly visible: boolean }>>
}

export const NO_FRAME: Frame = { item: undefined, index: null, refs: {} }

/** A text whose values are left out: `mark(n)` stands where the n-th goes. So markup is read without them, and they are never markup. */
export interface Marked {
  readonly text: string
  readonly values: readonly string[]
}

/** Two characters that no text of ours has (of the private use area; they are taken out of sources) around a number. */
export const mark = (index: number) => `\ue000${index}\ue001`
export const MARKS = /\ue000(\d+)\ue001/g

/** Prints templates of one message: limits hold for all that it prints. Made by createPrinter (printer.ts). Each throws RenderRefusal. */
export interface Printer {
  /** Plain text: nothing is escaped. */
  print(source: string, frame?: Frame): string
  mark(source: string, frame?: Frame): Marked
  /** What a path like `data.items`, `items[0].lines` or `$.item.lines` leads to; undefined for nowhere. */
  valueAt(path: string, frame?: Frame): unknown
  /** Whether an element's condition (condition.ts) holds; one that cannot be answered does not. */
  holds(condition: string, frame?: Frame): boolean
}
