import type { Rendered } from '../../src/channels/provider.ts'
import { render } from '../../src/render/content.ts'
import type { Content } from '../../src/render/element.ts'
import type { Json } from '../../src/render/job.ts'
import { emailJob } from './receipt.ts'

/** The parts of an email, each with the content's own tags where its values go. */
export interface EmailSource {
  readonly subject: string
  readonly html: string
  readonly text: string
}

/**
 * An email of a content as Handlebars could print it by itself: laid out, with its tags left in, to be
 * compiled with `ignoreStandalone`. The list `loop` is an
 * {{#each}} in it; conditions of elements are decided already, as they are for the data.
 *
 * Each tag is put in as a word that nothing escapes, and becomes a tag again in what is rendered. What a loop repeats is
 * found by rendering it once and twice.
 */
export async function sourceOf(content: Content, data: Json, loop: string): Promise<EmailSource> {
  const tags: string[] = []
  const wordOf = (tag: string) => `xtag${tags.push(tag.replaceAll('$.item.', 'this.')) - 1}x`
  const words = JSON.stringify(content, (key, value) => {
    if (typeof value !== 'string' || key === 'if' || key === 'loop') return value
    const isAddress = /^\{\{[^{}]+\}\}$/.test(value) && (key === 'href' || key === 'src')
    return isAddress ? `https://${wordOf(value)}.test` : value.replace(/\{\{[^{}]+\}\}/g, wordOf)
  })
  const tagsIn = (text: string) =>
    text.replace(/https:\/\/xtag(\d+)x\.test|xtag(\d+)x/g, (_, address, word) => tags[Number(address ?? word)]!)
  const rendered = (count: number) => render(emailJob(words, { ...data, [loop]: Array.from({ length: count }, () => ({})) }))
  const [once, twice] = [await rendered(1), await rendered(2)]
  const part = (name: keyof EmailSource & keyof Rendered) => inLoop(once[name]!, twice[name]!, loop, tagsIn)
  return { subject: part('subject'), html: part('html'), text: part('text') }
}

/** @param twice the same text, where something of it stands twice in a row */
function inLoop(once: string, twice: string, loop: string, tagsIn: (text: string) => string): string {
  const length = twice.length - once.length
  if (length === 0) return tagsIn(once)
  let end = 0
  while (end < once.length && once[end] === twice[end]) end += 1
  const [before, repeated, after] = [once.slice(0, end - length), once.slice(end - length, end), once.slice(end)]
  if (before + repeated.repeat(2) + after !== twice) throw new Error('What the loop repeats was not found.')
  // In a loop, Handlebars looks for names in the entry.
  const body = tagsIn(repeated).replaceAll(/\{\{(?!else\b)(?=[a-z]\w*\}\})/g, '{{../')
  return `${tagsIn(before)}{{#each ${loop}}}${body}{{/each}}${tagsIn(after)}`
}
