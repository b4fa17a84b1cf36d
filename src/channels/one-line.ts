/**
 * A text as one line, for titles, subjects and names: no control characters and line separators, and no marks without width
 * that hide, part or turn the direction of what stands beside them, so that it cannot pose as something else (reference:
 * reliability C1, C3). The joiners U+200C and U+200D stay: Persian words and families of emoji are written with them.
 */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '')
    .trim()
}
