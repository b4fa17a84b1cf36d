import type { Raw } from './document.ts'
import { at, type FlowState, markAt, printAt } from './flow.ts'
import { decode, fillHtml, type Relink } from './html.ts'
import { compileMjml } from './mjml.ts'
import { sanitize } from './sanitize.ts'

/** HTML that its author wrote: a whole mail, or an element of one. */

/** title: none, since the whole mail is the author's. isSilent: nothing is to be read or seen of it. */
interface RawMail {
  readonly title: ''
  readonly text: string
  readonly html: string
  readonly isSilent: boolean
}

/** A mail in its author's own HTML, or MJML where `transformers` names it. Without a text of its own the HTML is told as text. */
export async function rawEmail({ content, path }: Raw, html: string, state: FlowState, relink: Relink): Promise<RawMail> {
  const place = `${path}.html`
  const marked = markAt(html, place, state, state.top)
  const whole = content.transformers?.includes('mjml')
    ? await compiled(marked.text, place)
    : asPage(sanitize(marked.text, 'whole'))
  const text =
    content.text === undefined
      ? htmlText(at(place, () => fillHtml(whole, marked.values, untouched)))
      : printAt(content.text, `${path}.text`, state, state.top)
  const filled = at(place, () => fillHtml(whole, marked.values, relink))
  return { title: '', text: text.trim(), html: filled, isSilent: text.trim() === '' && isBlankHtml(filled) }
}

async function compiled(marked: string, place: string): Promise<string> {
  try {
    return await compileMjml(sanitize(marked, 'mjml'), true)
  } catch (error) {
    return at(place, () => {
      throw error
    })
  }
}

const asPage = (html: string) =>
  /<html[\s>]/i.test(html)
    ? `<!doctype html>${html}`
    : `<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"></head><body>${html}</body></html>`

/** An element of a mail in its author's own HTML, and the same as text. */
export function htmlElement(
  source: string,
  place: string,
  { state, relink }: { state: FlowState; relink: Relink },
  frame = state.top,
) {
  const { text, values } = markAt(source, place, state, frame)
  return at(place, () => {
    const clean = sanitize(text, 'part')
    return { html: fillHtml(clean, values, relink), text: htmlText(fillHtml(clean, values, untouched)) }
  })
}

/** Whether HTML shows neither text nor a picture. */
export const isBlankHtml = (html: string) => htmlText(html) === '' && !/<img\b|\bbackground/i.test(html)

/** For readers of the text, where links lead stays what the author wrote. */
const untouched: Relink = (url) => url

const BREAKS = /<(?:br|\/p|\/div|\/tr|\/h[1-6]|\/li|\/ul|\/ol|\/table|\/blockquote|hr)\b[^>]*>/gi

/** HTML as a text that can be read: its lines, its links behind their words, images by what describes them. */
export function htmlText(html: string): string {
  const told = html
    .replace(/<!--[\s\S]*?(?:-->|$)|<(style|title|script)\b[\s\S]*?(?:<\/\1>|$)/gi, '')
    .replace(/\s+/g, ' ')
    .replace(/<img\b[^>]*?\balt="([^"]*)"[^>]*>/gi, ' $1 ')
    .replace(/<a\b[^>]*?\bhref="([^"#][^"]*)"[^>]*>(.*?)<\/a>/gi, (_all, href: string, inner: string) => linkText(href, inner))
    .replace(/<li\b[^>]*>/gi, '\n• ')
    .replace(/<\/t[dh]>\s*/gi, ' ')
    .replace(/<\/(?:p|h[1-6]|table|ul|ol|blockquote)>/gi, '\n\n')
    .replace(BREAKS, '\n')
    .replace(/<[^>]*>/g, '')
  const lines = decode(told.replace(/&(?:nbsp|#160|zwnj|#8202);/g, ' ')).split('\n')
  return lines
    .map((line) => line.replace(/[ \t\u00a0\u200a]+/g, ' ').trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

function linkText(href: string, inner: string): string {
  const words = inner.replace(/<[^>]*>/g, '').trim()
  return words === '' || words === href || href.replace(/^(?:mailto|tel):/i, '') === words ? words : `${words} (${href})`
}
