import type { Document, Node } from './document.ts'

/** Of a document's words. tag: as HTML says it (BCP 47), null where it is not known. */
export interface Language {
  readonly tag: string | null
  readonly isRightToLeft: boolean
}

/**
 * The language of a document as its reader sees it: that of the translation it says. Whoever wrote its base words did not say
 * in which they are, and the reader's locale is no hint to it, except where both are written from right to left.
 *
 * @param locale the reader's; null for none
 */
export function languageOf(document: Pick<Document, 'nodes'>, locale: string | null): Language {
  const nodes = withInner(document.nodes)
  const translation = nodes.find((node) => node.locale !== undefined)?.locale
  const named = translation === undefined ? null : readLocale(translation)
  if (named !== null) return named
  const wanted = locale === null ? null : readLocale(locale)
  const words = nodes.map(wordsOf).join(' ').replace(NO_WORDS, '')
  const [rightToLeft, all] = [words.match(RIGHT_TO_LEFT)?.length ?? 0, words.match(/\p{L}/gu)?.length ?? 0]
  // Words that all come with the data are taken to be the reader's.
  const isRightToLeft = all === 0 ? wanted?.isRightToLeft === true : 2 * rightToLeft > all
  return { tag: isRightToLeft && wanted?.isRightToLeft ? wanted.tag : null, isRightToLeft }
}

/** What of a reader's locale such a document may take; null for one that is not written from right to left. */
export function hintIn(locale: string | null): string | null {
  const read = locale === null ? null : readLocale(locale)
  return read?.isRightToLeft ? read.tag : null
}

const withInner = (nodes: readonly Node[]): readonly Node[] => nodes.flatMap((node) => [node, ...withInner(node.nodes)])

function wordsOf({ element }: Node): string {
  const { title = '', content = '' } = element as { readonly title?: string; readonly content?: string }
  return `${title} ${content}`
}

/** Tags of templates and of HTML, and addresses. What opens and never closes is looked at once. */
const NO_WORDS = /\{\{[^{}]*\}\}|<[^<>]*>|https?:\S*/g
const SCRIPTS = ['Arab', 'Hebr', 'Thaa', 'Syrc', 'Nkoo', 'Adlm', 'Rohg', 'Mand', 'Samr']
const RIGHT_TO_LEFT =
  /[\p{Script=Arab}\p{Script=Hebr}\p{Script=Thaa}\p{Script=Syrc}\p{Script=Nkoo}\p{Script=Adlm}\p{Script=Rohg}\p{Script=Mand}\p{Script=Samr}]/gu

/** `fr_CA` as fr-CA; null for what is no locale. */
function readLocale(locale: string): Language | null {
  try {
    const read = new Intl.Locale(locale.replaceAll('_', '-'))
    return { tag: read.toString(), isRightToLeft: SCRIPTS.includes(read.maximize().script ?? '') }
  } catch {
    return null
  }
}
