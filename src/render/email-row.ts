import { GAP, LIGHT, ROW_FONT } from './email-style.ts'

/**
 * Rows of columns that stay beside each other, as rows of a plain table. In MJML's boxes a row takes some 3 KB, and Gmail shows
 * no more than the first 102 KB of a mail: a receipt of thirty lines would end before its total.
 */

/** How the words of an element stand. */
export interface Words {
  readonly look: string
  /** `#rrggbb`; null for the usual one. */
  readonly color: string | null
  readonly align: string | undefined
}

/** A table in a column of MJML, whose children stand in a table as well. rows: `<tr>`, or nothing where none is shown. */
export function rowTable(rows: string, isRightToLeft: boolean, look: string): string {
  const side = isRightToLeft ? ';text-align:right' : ''
  return (
    `<tr><td style="padding:0;font-size:0"><table role="presentation" class="${look}"${isRightToLeft ? ' dir="rtl"' : ''} width="100%" cellpadding="0" cellspacing="0" border="0" ` +
    `style="font:${ROW_FONT};word-break:break-word${side}">${rows}</table></td></tr>`
  )
}

export const rowOf = (cells: string) => `<tr valign="top">${cells}</tr>`

/** pixels: with the space at its sides, null for what is left of the row. words: of all that stands in it. */
export function cellOf(inner: string, pixels: number | null, words: Words | null): string {
  // The attribute is for Outlook on Windows, which counts the sides in.
  const [attribute, width] = pixels === null ? ['', ''] : [` width="${pixels}"`, `width:${Math.max(pixels - 2 * GAP, 1)}px;`]
  const named = words === null ? '' : ` class="${words.look}"${words.align === undefined ? '' : ` align="${words.align}"`}`
  return `<td${named}${attribute} style="${width}padding:0 ${GAP}px${words === null ? '' : `;color:${words.color ?? LIGHT.ink}`}">${inner}</td>`
}

/** Words among others in a cell. */
export function cellWords({ look, color, align }: Words, inner: string): string {
  const side = align === undefined ? '' : `;text-align:${align}`
  return `<div class="${look}" style="color:${color ?? LIGHT.ink}${side}">${inner}</div>`
}

export interface CellImage {
  readonly src: string
  readonly alt: string
  readonly href: string | null
  readonly pixels: number
  readonly align: string
}

export function cellImage({ src, alt, href, pixels, align }: CellImage): string {
  const image = `<img src="${src}" alt="${alt}" width="${pixels}" style="max-width:100%;height:auto;border:0;vertical-align:top;font-size:13px;line-height:20px">`
  const shown = href === null ? image : `<a href="${href}">${image}</a>`
  return `<div style="padding:0 0 20px;text-align:${align};font-size:0;line-height:0">${shown}</div>`
}

export const cellLine = (look: string, color: string) =>
  `<div class="${look}" style="padding:8px 0 24px"><p style="margin:0;border-top:1px solid ${color};font-size:1px;line-height:1px">&nbsp;</p></div>`
