import type { BrandColors } from './brand.ts'

/** The basic colour keywords of CSS, section 6.1 of CSS Color Module Level 4, as far as they were in CSS 2.1. */
export const COLOR_NAMES: Readonly<Record<string, string>> = {
  aqua: '#00ffff',
  black: '#000000',
  blue: '#0000ff',
  fuchsia: '#ff00ff',
  gray: '#808080',
  green: '#008000',
  lime: '#00ff00',
  maroon: '#800000',
  navy: '#000080',
  olive: '#808000',
  orange: '#ffa500',
  purple: '#800080',
  red: '#ff0000',
  silver: '#c0c0c0',
  teal: '#008080',
  white: '#ffffff',
  yellow: '#ffff00',
}

/** A colour as `#rrggbb`; null for anything but `#rgb`, `#rrggbb` and the names above. Colours go into style attributes, so nothing else may pass. */
export function hexOf(color: string): string | null {
  const text = color.toLowerCase()
  if (/^#[0-9a-f]{6}$/.test(text)) return text
  if (/^#[0-9a-f]{3}$/.test(text)) return text.replace(/[0-9a-f]/g, '$&$&')
  return Object.hasOwn(COLOR_NAMES, text) ? COLOR_NAMES[text]! : null
}

const OF_BRAND = /^\{\{\s*brand\.colors\.(primary|secondary|tertiary)\s*\}\}$/

/** An element's colour as `#rrggbb`: one that hexOf knows, or `{{brand.colors.primary}}`, secondary, tertiary; null for none. */
export function colorOf(color: string | null | undefined, brand: BrandColors | null | undefined): string | null {
  if (color == null) return null
  const name = OF_BRAND.exec(color.trim())?.[1] as keyof BrandColors | undefined
  return hexOf(name === undefined ? color.trim() : (brand?.[name] ?? ''))
}

/** White or (next to) black, whichever can be read on a ground: one of white and black always can. */
export function inkOn(ground: string): string {
  return ['#ffffff', '#111418', '#000000'].find((ink) => isReadable(ink, ground)) ?? '#000000'
}

/** Between text and its ground, for text of this size (WCAG 2.2, success criterion 1.4.3). */
const ENOUGH_CONTRAST = 4.5

export const isReadable = (ink: string, ground: string) => contrast(ink, ground) >= ENOUGH_CONTRAST

/**
 * A brand's colour as text on a ground that it was not chosen for (a light one in light mode, a dark one in dark mode):
 * moved towards black or white as little as makes it readable. Both `#rrggbb`.
 */
export function readableOn(ground: string, color: string): string {
  const away = luminance(ground) > 0.5 ? 0 : 255
  for (let part = 0; part < 1; part += 0.05) {
    const moved = mix(color, away, part)
    if (isReadable(moved, ground)) return moved
  }
  return mix(color, away, 1)
}

/** The ratio of two colours' luminances, 1 to 21 (WCAG 2.2, contrast ratio). */
export function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light! + 0.05) / (dark! + 0.05)
}

/** 0 for black to 1 for white (WCAG 2.2, relative luminance). */
function luminance(hex: string): number {
  const [red, green, blue] = parts(hex).map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

/** A colour that is so much lighter or darker as to stand out from a ground as a surface, not as text (WCAG 2.2, criterion 1.4.11: 3 to 1). */
export function surfaceOn(ground: string, color: string): string {
  for (let part = 0; part < 1; part += 0.05) {
    const moved = mix(color, luminance(ground) > 0.5 ? 0 : 255, part)
    if (contrast(moved, ground) >= 3) return moved
  }
  return color
}

/** Whether a colour has next to no hue. */
export const isGrey = (color: string) => Math.max(...parts(color)) - Math.min(...parts(color)) < 24

function mix(hex: string, towards: number, part: number): string {
  const mixed = parts(hex).map((value) => Math.round(value + (towards - value) * part))
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}

const parts = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
