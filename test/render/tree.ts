import fc from 'fast-check'
import { parseDocument } from 'htmlparser2'
import { mark } from '../../src/render/template.ts'

/** What a browser would make of HTML: tags, names and how many of each, without what stands in texts and attributes. */
export function treeOf(html: string): unknown {
  type Part = { type: string; name?: string; attribs?: Record<string, string>; children?: Part[] }
  const shape = ({ type, name, attribs, children = [] }: Part): unknown => {
    if (type === 'text') return []
    const inner = children.map(shape).filter((one) => !(Array.isArray(one) && one.length === 0))
    // A value's lines are lines: they are no tags of its own.
    return name === 'br' ? [] : [type, name ?? '', Object.keys(attribs ?? {}), inner]
  }
  return parseDocument(html)
    .children.map((one) => shape(one as Part))
    .filter((one) => (one as unknown[]).length > 0)
}

/** Values that would like to be markup. */
export const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('<', '>', '"', "'", '&', '/', '=', ' ', 'a', '-', '!', '\n', '`', ';', ':', '(', '\\'),
    maxLength: 20,
  }),
  fc.constantFrom(
    '<img src=x onerror=alert(1)>',
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    'x onmouseover=alert(1)',
    '--><svg onload=alert(1)>',
    '</title><script>',
    'red;background:url(https://evil.example)',
    'javascript:alert(1)',
    '&quot; onload=&quot;x',
    mark(0),
    '{{secret}}',
  ),
)
