import { type Node, placeOf } from './document.ts'
import { type MarkdownBudget, newMarkdownBudget } from './markdown.ts'
import { type Frame, type Marked, type Printer, RenderRefusal } from './template.ts'

/** One walk through a document: what was named on the way, and what is left of its limits. Made by `createFlow`. */
export interface FlowState {
  readonly printer: Printer
  /** Of the top of the document. */
  readonly top: Frame
  readonly refs: Record<string, Ref>
  readonly left: { elements: number; characters: number }
  readonly markdown: MarkdownBudget
}

/** What later elements know of one with a `ref`: whether it was shown, and the texts that it has, as they were last shown. */
export interface Ref {
  readonly visible: boolean
  readonly [text: string]: unknown
}

const MOST_ENTRIES = 1_000
const MOST_SHOWN = 10_000
const MOST_CHARACTERS = 1024 * 1024
const NAMED_TEXTS = ['title', 'content', 'href', 'src', 'alt_text']

/** known: every ref of the document; one that was not shown is not visible. */
export function createFlow(printer: Printer, known: readonly string[] = []): FlowState {
  const refs: Record<string, Ref> = Object.create(null)
  for (const name of known) refs[name] = { visible: false }
  return {
    printer,
    top: { item: undefined, index: null, refs },
    refs,
    left: { elements: MOST_SHOWN, characters: MOST_CHARACTERS },
    markdown: newMarkdownBudget(),
  }
}

/**
 * Shows an element as often as it is to be shown: not at all where its `if` does not hold, once for each entry of its
 * `loop`, of which each is asked for itself. What is no list is a list of nothing.
 *
 * @throws RenderRefusal for a list of more than 1,000 entries, and for more than 10,000 elements in all
 */
export function eachShown(node: Node, state: FlowState, frame: Frame, show: (frame: Frame) => void): void {
  const { element } = node
  let last: Frame | null = null
  for (const one of framesOf(node, state, frame)) {
    state.left.elements -= 1
    if (state.left.elements < 0) throw refusalAt(node.path, `more than ${MOST_SHOWN.toLocaleString('en')} elements are shown.`)
    if (element.if !== undefined && !state.printer.holds(element.if, one)) continue
    show(one)
    last = one
  }
  if (element.ref !== undefined) state.refs[element.ref] = refOf(node, state, last)
}

function framesOf(node: Node, { printer }: FlowState, frame: Frame): readonly Frame[] {
  const { loop } = node.element
  if (loop === undefined) return [frame]
  const list = printer.valueAt(loop, frame)
  if (!Array.isArray(list)) return []
  if (list.length > MOST_ENTRIES) {
    throw refusalAt(
      `${node.path}.loop`,
      `the list has ${list.length.toLocaleString('en')} entries; a loop goes over at most ${MOST_ENTRIES.toLocaleString('en')}.`,
    )
  }
  return list.map((item, index) => ({ item, index, refs: frame.refs }))
}

function refOf(node: Node, state: FlowState, frame: Frame | null): Ref {
  if (frame === null) return { visible: false }
  const texts = NAMED_TEXTS.filter((field) => typeof fieldOf(node, field) === 'string')
  return { ...Object.fromEntries(texts.map((field) => [field, printField(node, field, state, frame)])), visible: true }
}

/** A field of an element as plain text; empty where the element has none. Refusals name the field. */
export function printField(node: Node, field: string, state: FlowState, frame: Frame): string {
  const source = fieldOf(node, field)
  return source === undefined ? '' : printAt(String(source), placeOf(node, field), state, frame)
}

/** A field of an element, its values left out. */
export function markField(node: Node, field: string, state: FlowState, frame: Frame): Marked {
  const source = fieldOf(node, field)
  return source === undefined ? { text: '', values: [] } : markAt(String(source), placeOf(node, field), state, frame)
}

/** Any text of a document as plain text. place: where it stands, for refusals: `elements.1.raw.subject`. */
export function printAt(source: string, place: string, state: FlowState, frame: Frame): string {
  return at(place, () => {
    const text = state.printer.print(source, frame)
    spend(state, text.length)
    return text
  })
}

export function markAt(source: string, place: string, state: FlowState, frame: Frame): Marked {
  return at(place, () => {
    const marked = state.printer.mark(source, frame)
    spend(
      state,
      marked.values.reduce((sum, { length }) => sum + length, marked.text.length),
    )
    return marked
  })
}

const fieldOf = ({ element }: Node, field: string) => (element as unknown as Record<string, string | undefined>)[field]

/** The printer counts what has values in it; a text without any may stand in a loop as well. */
function spend({ left }: FlowState, characters: number): void {
  left.characters -= characters
  if (left.characters >= 0) return
  throw new RenderRefusal(`The text is longer than ${MOST_CHARACTERS.toLocaleString('en')} characters.`)
}

/** Puts the place of a text in front of what is refused about it: `elements.2.content: line 3: …`. */
export function at<T>(place: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof RenderRefusal) throw refusalAt(place, error.message)
    throw error
  }
}

export function refusalAt(place: string, sentence: string): RenderRefusal {
  return new RenderRefusal(`${place}: ${sentence.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase())}`)
}
