import { checkHtml } from './html.ts'

/**
 * A brand's own layout: MJML around all its emails, a template like any other. `{{content}}` is where a message's elements go,
 * as sections of their own, so it stands where sections stand. With it the logo, header, footer and colours for the dark are
 * the layout's own business; the line that leads out is added below the content, unless the layout names `urls.unsubscribe`.
 */

const CONTENT = /\{\{\s*content\s*\}\}/
const LONGEST = 64 * 1024

/** Null where a layout can stand around emails; otherwise the sentence that says why not. The template in it is checked elsewhere. */
export function checkLayout(mjml: string): string | null {
  if (mjml.length > LONGEST) return `A layout may have at most ${LONGEST.toLocaleString('en')} characters.`
  const plain = mjml.replace(/<!--[\s\S]*?(?:-->|$)/g, '')
  if (!/^\s*<mjml[\s>]/.test(plain) || !/<\/mjml>\s*$/.test(plain) || !/<mj-body[\s>]/.test(plain)) {
    return 'A layout is MJML: it begins with <mjml>, has an <mj-body>, and ends with </mjml>.'
  }
  const [before, ...rest] = plain.split(CONTENT)
  if (rest.length !== 1) return `A layout has {{content}} once, where a message goes; this one has it ${rest.length} times.`
  const around = openTags(before!).filter((tag) => tag !== 'mj-raw')
  if (!['mj-body', 'mj-wrapper'].includes(around.at(-1) ?? '')) {
    return `{{content}} is a row of sections: it stands in <mj-body> or <mj-wrapper>, not in <${around.at(-1) ?? 'mjml'}>.`
  }
  return checkHtml(plain)
}

/** A layout with its place for the message marked, by which it is found once the layout is printed. */
export const withPlace = (layout: string, place: string) => layout.replace(/[\ue002\ue003]/g, '').replace(CONTENT, () => place)

/** One that is never closed matches as well, or its rest would be read again from each < in it. */
const TAG = /<(\/?)(mj[\w-]*)(?![\w-])(?:"[^"]*"|'[^']*'|[^<>"'])*>?/g

/** MJML's tags that are open where a text ends, from the outside. */
function openTags(mjml: string): readonly string[] {
  const open: string[] = []
  for (const [tag, slash, name] of mjml.matchAll(TAG)) {
    if (!tag.endsWith('>')) continue
    if (slash === '/') open.splice(Math.max(0, open.lastIndexOf(name!)))
    else if (!tag.endsWith('/>')) open.push(name!)
  }
  return open
}
