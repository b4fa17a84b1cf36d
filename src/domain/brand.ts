import { badInput, Refusal } from '../errors.ts'
import type { BrandColors, BrandEmail, BrandLogo, BrandSettings, RenderedBrand, Snippet } from '../render/brand.ts'
import { checkLayout } from '../render/brand-layout.ts'
import { COLOR_NAMES, hexOf } from '../render/color.ts'
import { SNIPPET_NAME } from '../render/template.ts'
import { checkSnippets, createChecker } from '../render/template-check.ts'
import { isWebUrl } from '../render/urls.ts'
import { type BrandRow, findTenantOfBrand } from '../store/brand.ts'
import { deleteRow, lockRow, putRow } from '../store/row.ts'
import { findTemplateWith } from '../store/template.ts'
import type { Command } from './command.ts'
import { checkId, checkName } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'

/** The brand that holds where no other does. An environment need not have it. */
export const DEFAULT_BRAND = 'default'

export interface PutBrandInput {
  readonly id: string
  readonly name: string
  readonly settings?: BrandSettingsInput | null
  readonly snippets?: readonly Snippet[] | null
}

/** Settings as a caller gives them: the theme may still be any object. */
export type BrandSettingsInput = Omit<BrandSettings, 'theme'> & { readonly theme?: JsonObject | null }

const MOST_SNIPPETS = 100
const MOST_PROPERTIES = 100
const LONGEST_ALT = 256
const LONGEST_PROPERTY = 256

/**
 * Makes a brand, or replaces the whole of it.
 *
 * @throws Refusal BAD_USER_INPUT for a colour, an address, a theme, a text with variables or a snippet that cannot hold
 */
export const putBrand: Command<PutBrandInput, { id: string }> = async (scope, { id, name, settings, snippets }) => {
  checkId(id, ['id'])
  checkName(name, ['input', 'name'])
  const check = createChecker()
  await putRow(scope.tx, 'brand', {
    environment_id: scope.actor.environmentId,
    id,
    name,
    settings: JSON.stringify(checkSettings(settings ?? {}, check)),
    snippets: JSON.stringify(checkOwnSnippets(snippets ?? [], check)),
    updated_at: scope.now,
  })
  return { id }
}

/**
 * False where there was none.
 *
 * @throws Refusal CONFLICT for the brand that holds where no other does, and for one that a tenant or a published template has
 */
export const deleteBrand: Command<{ readonly id: string }, boolean> = async (scope, { id }) => {
  const { environmentId } = scope.actor
  if (!(await lockRow(scope.tx, 'brand', environmentId, id, 'deletion'))) return false
  if (id === DEFAULT_BRAND) {
    throw new Refusal('CONFLICT', `The brand '${id}' holds where no other does, so it can only be replaced.`)
  }
  const tenant = await findTenantOfBrand(scope.tx, environmentId, id)
  if (tenant !== null) {
    throw new Refusal('CONFLICT', `The brand '${id}' is that of the tenant '${tenant}': give the tenant another one first.`)
  }
  const template = await findTemplateWith(scope.tx, environmentId, { brandId: id })
  if (template !== null) {
    throw new Refusal('CONFLICT', `The brand '${id}' is that of the template '${template}': publish it with another one first.`)
  }
  await deleteRow(scope.tx, 'brand', environmentId, id)
  return true
}

/** What may give a message its brand, each an id or null. */
export interface BrandCandidates {
  readonly message: string | null
  /** From the message's tenant up to the root. */
  readonly tenants: readonly (string | null)[]
  readonly template: string | null
}

/**
 * The id of the brand that holds for a message: its own, else the nearest of its tenant and the tenants above, else the
 * template's, else the one called default; null where there is none of them. One that is gone is passed over. That a
 * tenant's brand goes before a template's is our choice: the tenant is the recipient's world, the template everybody's.
 */
export function chooseBrand({ message, tenants, template }: BrandCandidates, has: (id: string) => boolean): string | null {
  return [message, ...tenants, template, DEFAULT_BRAND].find((id) => id !== null && has(id)) ?? null
}

/**
 * A brand as messages see it. The default brand's snippets are seen from every brand, unless it has one of the same name;
 * its settings are its own. Where there is no own brand the default one holds; null where there is neither.
 */
export function brandOf(own: BrandRow | null, fallback: BrandRow | null): RenderedBrand | null {
  const row = own ?? fallback
  if (row === null) return null
  const snippets = [...snippetsOf(fallback), ...snippetsOf(own)]
  return {
    ...(row.settings as BrandSettings),
    id: row.id,
    name: row.name,
    snippets: new Map(snippets.map(({ name, value }) => [name, value])),
  }
}

const snippetsOf = (row: BrandRow | null) => (row?.snippets ?? []) as readonly Snippet[]

type Path = readonly (string | number)[]
type Checker = ReturnType<typeof createChecker>
const SETTINGS: Path = ['input', 'settings']

function checkSettings({ colors, logo, email, theme }: BrandSettingsInput, check: Checker): BrandSettings {
  const settings: BrandSettings = {
    ...(colors && { colors: checkColors(colors) }),
    ...(logo && { logo: checkLogo(logo) }),
    ...(email && { email: checkEmailTexts(email, check) }),
    ...(theme && { theme: checkTheme(theme) }),
  }
  checkSize(settings as JsonObject, SETTINGS)
  return settings
}

function checkColors(colors: BrandColors): BrandColors {
  for (const name of ['primary', 'secondary', 'tertiary'] as const) {
    const color = colors[name]
    if (color == null || hexOf(color) !== null) continue
    throw badInput(
      [...SETTINGS, 'colors', name],
      `'${name}' must be a colour like #0a7 or #00aa77, or one of: ${Object.keys(COLOR_NAMES).join(', ')}.`,
    )
  }
  return colors
}

function checkLogo(logo: BrandLogo): BrandLogo {
  for (const name of ['url', 'href'] as const) {
    const url = logo[name]
    if (url == null || isWebUrl(url)) continue
    throw badInput([...SETTINGS, 'logo', name], `'${name}' must be an http or https URL of at most 2,048 characters.`)
  }
  if ((logo.alt?.length ?? 0) > LONGEST_ALT) {
    throw badInput([...SETTINGS, 'logo', 'alt'], `'alt' must be at most ${LONGEST_ALT} characters.`)
  }
  return logo
}

function checkEmailTexts(email: BrandEmail, check: Checker): BrandEmail {
  for (const name of ['header', 'footer', 'layout'] as const) refuse(check(email[name] ?? ''), [...SETTINGS, 'email', name])
  if (email.layout) refuse(checkLayout(email.layout), [...SETTINGS, 'email', 'layout'])
  return email
}

/** A value is set as it stands, in a style or a sheet: it must not end its declaration, nor leave a string or bracket open. */
function checkTheme(theme: JsonObject): Readonly<Record<string, string>> {
  const path = [...SETTINGS, 'theme']
  const entries = Object.entries(theme)
  if (entries.length > MOST_PROPERTIES) throw badInput(path, `'theme' may hold at most ${MOST_PROPERTIES} properties.`)
  for (const [key, value] of entries) {
    if (!/^--[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(key)) {
      throw badInput(
        [...path, key],
        `'${key}' must be a CSS custom property: two dashes, a letter, then letters, digits, - or _.`,
      )
    }
    if (typeof value !== 'string' || !isStyleValue(value)) {
      throw badInput(
        [...path, key],
        `'${key}' must be a text of 1 to ${LONGEST_PROPERTY} characters, without ; { } < > \\ and /*, its quotes and brackets in pairs.`,
      )
    }
  }
  return theme as Readonly<Record<string, string>>
}

function isStyleValue(value: string): boolean {
  if (value.length === 0 || value.length > LONGEST_PROPERTY || /[;{}<>\\\p{Cc}]|\/\*/u.test(value)) return false
  const count = (mark: string) => value.split(mark).length - 1
  return count('"') % 2 === 0 && count("'") % 2 === 0 && count('(') === count(')') && count('[') === count(']')
}

function checkOwnSnippets(snippets: readonly Snippet[], check: Checker): readonly Snippet[] {
  const path: Path = ['input', 'snippets']
  if (snippets.length > MOST_SNIPPETS) throw badInput(path, `'snippets' may hold at most ${MOST_SNIPPETS} of them.`)
  checkSize({ snippets }, path)
  const seen = new Map<string, string>()
  for (const [index, { name, value }] of snippets.entries()) {
    if (!SNIPPET_NAME.test(name)) {
      throw badInput([...path, index, 'name'], "'name' must be 1 to 64 letters, digits, - or _, and begin with a letter.")
    }
    if (seen.has(name)) throw badInput([...path, index, 'name'], `There is another snippet '${name}': names must be unique.`)
    seen.set(name, value)
    refuse(check(value), [...path, index, 'value'])
  }
  const complaint = checkSnippets(seen)
  if (complaint !== null) throw badInput(path, complaint)
  return snippets.map(({ name, value }) => ({ name, value }))
}

function refuse(complaint: string | null, path: Path): void {
  if (complaint !== null) throw badInput(path, `'${path.at(-1)}': ${complaint}`)
}
