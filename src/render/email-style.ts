import type { BrandColors } from './brand.ts'
import { colorOf, inkOn, isGrey, isReadable, readableOn, surfaceOn } from './color.ts'

/** How every email looks: sizes, and two sets of colours, of which the dark one goes over the other where a reader wants it dark. */

export const FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
/** Of rows in a plain table (email-row.ts). */
export const ROW_FONT = `16px/26px ${FONT}`
export const ROW_CLASS = 'row'
export const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"

/** Pixels. A card of 600, its texts 32 from each side: 24 of the section, 8 of the column, so that columns are 16 apart. */
export const WIDTH = 600
export const SIDE = 24
export const GAP = 8
export const INNER = WIDTH - 2 * (SIDE + GAP)

export const LIGHT = { page: '#f4f5f7', card: '#ffffff', ink: '#1f2933', soft: '#5b6875', line: '#e1e5ea', shade: '#f2f4f6' }
export const DARK = { page: '#12161b', card: '#1d232a', ink: '#e4e7eb', soft: '#a3adb8', line: '#38424d', shade: '#2a323b' }

/** Links and buttons of a brand without colours. */
const ACCENT = '#2b5bd7'

export interface Tones {
  /** The brand's own, for surfaces. */
  readonly accent: string
  /** The same as text, on light and on dark. */
  readonly light: string
  readonly dark: string
}

export function tonesOf(colors: BrandColors | null | undefined): Tones {
  const accent = colorOf(colors?.primary, colors) ?? ACCENT
  return { accent, light: readableOn(LIGHT.card, accent), dark: readableOn(DARK.card, accent) }
}

/** Classes of an element's own colour: of its text, its ground, its line, and of a button. */
export const inkClass = (color: string) => `ink-${color.slice(1)}`
export const groundClass = (color: string) => `ground-${color.slice(1)}`
export const lineClass = (color: string) => `line-${color.slice(1)}`
export const buttonClass = (ground: string, ink: string) => `button-${ground.slice(1)}-${ink.slice(1)}`

/** A button's ground and words, in light and in dark: they can be read on it, and it stands out from the card. */
export function buttonColors(ground: string, ink: string | null) {
  const light = { ground, ink: ink !== null && isReadable(ink, ground) ? ink : inkOn(ground) }
  const lifted = surfaceOn(DARK.card, ground)
  if (lifted === ground) return { light, dark: light }
  // Black becomes white, not grey: a grey button looks as if it could not be pressed.
  const shown = isGrey(ground) ? DARK.ink : lifted
  return { light, dark: { ground: shown, ink: inkOn(shown) } }
}

type Rule = readonly [selectors: readonly string[], declarations: string]

/** Rules of the dark set for the classes that a mail has in use. */
export function darkRules(classes: Iterable<string>): readonly Rule[] {
  return [...classes].flatMap((one): readonly Rule[] => {
    const [kind, color, ink] = one.split('-') as [string, string, string?]
    const hex = `#${color}`
    switch (kind) {
      case 'ink':
        return [[[`.${one}`, `.${one} div`], `color:${readableOn(DARK.card, hex)}`]]
      case 'ground':
        return [[[`.${one}`], `background:${DARK.shade}`]]
      case 'line':
        return [[[`.${one}`, `.${one} p`], `border-color:${surfaceOn(DARK.card, hex)}`]]
      case 'button': {
        const { dark } = buttonColors(hex, `#${ink}`)
        return [[[`.${one} td`, `.${one} a`], `background:${dark.ground};border-color:${dark.ground};color:${dark.ink}`]]
      }
      default:
        return []
    }
  })
}

/**
 * The sheet of a mail: the dark set where it has one, and what is narrower on a phone. Programs that take no sheets show the
 * light set as it stands in the tags. Outlook.com and its apps mark what they make dark with data-ogsc.
 */
export function sheet({ dark }: Tones, classes: Iterable<string>, isDarkToo: boolean): string {
  const rules: readonly Rule[] = [
    [['.page', '.page > div'], `background:${DARK.page}`],
    [['.card', '.card > table'], `background:${DARK.card}`],
    [['.ink', '.ink div'], `color:${DARK.ink}`],
    [['.soft', '.soft div'], `color:${DARK.soft}`],
    [['.tone'], `color:${dark}`],
    [['.bar > table > tbody > tr > td'], `border-top-color:${dark}`],
    [['.rule p', '.edge'], `border-color:${DARK.line}`],
    [['.shade'], `background:${DARK.shade};color:${DARK.ink}`],
    ...darkRules(classes),
  ]
  const inDark = [
    ':root{color-scheme:light dark;supported-color-schemes:light dark}',
    `@media (prefers-color-scheme:dark){${rules.map((rule) => written(rule, '')).join('')}}`,
    rules.map((rule) => written(rule, '[data-ogsc] ')).join(''),
  ]
  // In Outlook on Windows cells do not have the font of their table.
  const rows = [...classes].includes(ROW_CLASS) ? [`.${ROW_CLASS} td{font:${ROW_FONT}}`] : []
  return [...(isDarkToo ? inDark : []), ...rows, phoneRules(classes)].join('\n')
}

const written = ([selectors, declarations]: Rule, before: string) =>
  `${selectors.map((selector) => before + selector).join(',')}{${declarations.replace(/;|$/g, '!important$&')}}`

/** Classes of columns that stay beside each other on a phone: one of so many pixels, and the one that has the rest. */
export const fixedClass = (pixels: number) => `fixed-${pixels}`
export const restClass = (pixels: number) => `rest-${pixels}`

function phoneRules(classes: Iterable<string>): string {
  const columns = [...classes].map((one) => {
    const [kind, pixels] = one.split('-')
    if (kind === 'fixed') return `.${one}{width:${pixels}px!important}`
    return kind === 'rest' ? `.${one}{width:calc(100% - ${pixels}px)!important}` : ''
  })
  return [
    '@media (max-width:623px){.page{padding-left:12px!important;padding-right:12px!important}}',
    '@media (max-width:480px){.side > table > tbody > tr > td{padding-left:12px!important;padding-right:12px!important}',
    `h1{font-size:24px!important;line-height:31px!important}${columns.join('')}}`,
  ].join('')
}

export interface TextSize {
  readonly size: number
  readonly line: number
  readonly weight: number
  /** Above and below it. */
  readonly above?: number
  readonly space: number
}

export const SIZES = {
  h1: { size: 28, line: 36, weight: 700, space: 12 },
  h2: { size: 21, line: 28, weight: 700, above: 12, space: 8 },
  h3: { size: 17, line: 24, weight: 700, above: 4, space: 4 },
  text: { size: 16, line: 26, weight: 400, space: 16 },
  subtext: { size: 14, line: 21, weight: 400, space: 16 },
} as const satisfies Readonly<Record<string, TextSize>>
