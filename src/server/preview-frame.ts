import { type Html, html } from './html.ts'

/** A mail's HTML in a frame, as a mail client of one width and one colour scheme shows it. */

/**
 * Of a page that shows mails in frames, which inherit it. Mails show pictures of anywhere, as clients do, and of ourselves, so
 * that a page shows what its tracking pixel does.
 */
export const MAIL_POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data: https: http:",
  'font-src https:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export type Scheme = 'light' | 'dark'

/** It may load pictures and fonts, and its links open beside the page; no script runs in it, and it has no origin. */
export function mailFrame(source: string, scheme: Scheme, width: 'desktop' | 'phone'): Html {
  const title = `The mail ${width === 'phone' ? 'on a phone' : 'at desktop width'}, ${scheme}`
  return html`<iframe class="${width} ${scheme}" title="${title}" loading="lazy" sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="${inScheme(source, scheme)}"></iframe>`
}

/** Whether a mail says anything of dark mode. Clients show one that does not as it is, or turn its colours round themselves. */
export const knowsSchemes = (source: string) => /color-scheme/i.test(source)

/**
 * The mail as it is in one scheme, whatever the reader's own is: what it asks of `prefers-color-scheme` in its styles and tags is
 * answered, and the scheme is said before anything else, since the first to say so holds.
 */
export function inScheme(source: string, scheme: Scheme): string {
  const shown = knowsSchemes(source) ? scheme : 'light'
  const answered = answerIn(source, (part) =>
    part.replace(ASKED, (_asked, wanted: string) => (wanted.toLowerCase() === shown ? ALWAYS : NEVER)),
  )
  const before = `<base target="_blank"><meta name="color-scheme" content="${shown}"><style>:root{color-scheme:${shown}!important}</style>`
  const head = /^\s*(?:<!doctype[^<>]*>)?\s*(?:<html\b[^<>]*>)?\s*(?:<head\b[^<>]*>)?/i.exec(answered)![0]
  return head + before + answered.slice(head.length)
}

const ASKED = /\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)/gi
const ALWAYS = '(min-width:0px)'
const NEVER = '(max-width:0px)'

/** Styles and tags; what a mail says to its reader stays. In time that grows with its length, whatever somebody's HTML is. */
function answerIn(source: string, answer: (part: string) => string): string {
  const names = source.toLowerCase()
  let out = ''
  let from = 0
  while (from < source.length) {
    const open = names.indexOf('<style', from)
    const outside = source.slice(from, open < 0 ? undefined : open)
    out += outside.replace(/<[a-z][^<>]*>/gi, answer)
    if (open < 0) break
    const close = names.indexOf('</style', open)
    from = close < 0 ? source.length : close
    out += answer(source.slice(open, from))
    if (close >= 0) {
      out += source.slice(close, close + '</style'.length)
      from += '</style'.length
    }
  }
  return out
}
