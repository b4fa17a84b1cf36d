import type { Node } from './document.ts'
import type { ColumnElement } from './element.ts'
import { fixedClass, restClass, SIDE, WIDTH } from './email-style.ts'
import { pixelsOf } from './email-text.ts'

/** How columns of an email share its width, and which of them stay beside each other. */

/** Whether columns stay beside each other on a phone. */
export const isFixedRow = ({ nodes }: Node): boolean =>
  columnWidths((nodes as readonly Node<ColumnElement>[]).map(({ element }) => element.width)).isFixed

/** Whether columns may be a row of a plain table: they stay beside each other, and hold no buttons, which need boxes of MJML. */
export const isLightRow = (node: Node): boolean =>
  node.element.type === 'columns' && isFixedRow(node) && node.nodes.every(({ nodes }) => nodes.every(isLight))

const isLight = ({ element, nodes }: Node): boolean =>
  element.type === 'group' ? nodes.every(isLight) : element.type !== 'action' || element.style === 'link'

/** By which rows are of one table: each has all of its columns, as wide as theirs. */
export function sharedWidths({ nodes, path }: Node): string {
  const columns = nodes as readonly Node<ColumnElement>[]
  const isWhole = columns.every(({ element }) => element.if === undefined && element.loop === undefined)
  return isWhole ? columns.map(({ element }) => pixelsOf(element.width) ?? '').join(' ') : path
}

/** Beside each other, columns are 552 pixels wide in all. */
const ROOM = WIDTH - 2 * SIDE
/** So much of the row stays for the column that has no width, that it holds words on a phone as well. */
const LEAST_ROOM = 150
const PHONE_ROOM = 327

/**
 * How wide columns are, in pixels and as shares of a row. Those without a width share what is left. isFixed: all but one are
 * given in pixels, few enough to stay beside it on a phone, like the prices of a receipt.
 */
export function columnWidths(widths: readonly (string | number | undefined)[]) {
  const given = widths.map((width) => {
    const share = /^(\d{1,3}(?:\.\d+)?)%$/.exec(String(width ?? '').trim())?.[1]
    return share === undefined ? pixelsOf(width) : (ROOM * Number(share)) / 100
  })
  const open = given.filter((width) => width === null).length
  const taken = given.reduce<number>((sum, width) => sum + (width ?? 0), 0)
  const left = open === 0 ? 0 : Math.max(ROOM - taken, open * 60) / open
  const total = Math.max(taken + left * open, 1)
  // Columns that are more than the row all become narrower; fewer keep their widths.
  const scale = total > ROOM ? ROOM / total : 1
  const isFixed =
    open === 1 && widths.length > 1 && !widths.some((width) => String(width).includes('%')) && taken <= PHONE_ROOM - LEAST_ROOM
  const columns = given.map((width) => {
    const pixels = (width ?? left) * scale
    const share = Math.floor((pixels / ROOM) * 10_000) / 100
    return { pixels, share, look: !isFixed ? null : width === null ? restClass(taken) : fixedClass(width) }
  })
  return { columns, isFixed }
}
