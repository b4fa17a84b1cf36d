/** How an environment's messages look: colours, logo, the texts around every email, the widgets' theme. */
export interface BrandSettings {
  readonly colors?: BrandColors | null
  readonly logo?: BrandLogo | null
  readonly email?: BrandEmail | null
  /** CSS custom properties of the widgets: `{ "--accent": "#0a7" }`. */
  readonly theme?: Readonly<Record<string, string>> | null
}

/** Each one that `hexOf` knows. */
export interface BrandColors {
  readonly primary?: string | null
  readonly secondary?: string | null
  readonly tertiary?: string | null
}

/** url and href are http(s) addresses. */
export interface BrandLogo {
  readonly url: string
  readonly href?: string | null
  readonly alt?: string | null
}

/** header and footer: text with variables; layout: MJML around the whole mail. */
export interface BrandEmail {
  readonly header?: string | null
  readonly footer?: string | null
  readonly layout?: string | null
}

/** A text with variables that others bring in by its name: `{{> name}}`. */
export interface Snippet {
  readonly name: string
  readonly value: string
}

/** A brand as a message sees it: its settings, and every snippet that is seen from it, by name. */
export interface RenderedBrand extends BrandSettings {
  readonly id: string
  readonly name: string
  readonly snippets: ReadonlyMap<string, string>
}
