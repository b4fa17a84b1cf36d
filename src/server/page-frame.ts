import type { PageBrand } from '../domain/page-brand.ts'
import { Html, html } from './html.ts'
import type { Page } from './route.ts'

/** A page for the people whom messages reach: the brand that speaks to them, light and dark, no scripts. */
export interface Frame {
  readonly status: number
  readonly title: string
  readonly brand: PageBrand | null
  readonly body: Html
}

export function framedPage({ status, title, brand, body }: Frame): Page {
  const text = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><meta name="robots" content="noindex"><link rel="icon" href="data:,">
<style>${new Html(STYLE + brandStyle(brand))}</style></head>
<body><main>
${brand === null ? null : brandMark(brand)}
${body}
</main></body></html>
`.text
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policyFor(brand) },
    body: text,
  }
}

/** A short page: what happened, what it means, and where to go on. */
export function shortPage(status: number, title: string, brand: PageBrand | null, ...body: readonly Html[]): Page {
  return framedPage({ status, title, brand, body: html`<h1>${title}</h1>\n${body}` })
}

/** For a link that we did not make, in no other words than for one that we cannot read. */
export function unknownLinkPage(): Page {
  return shortPage(
    404,
    'This link does not work',
    null,
    html`<p>It may have been cut short on its way. Open it once more from the message, or copy the whole of it.</p>`,
  )
}

/** For a link whose person or subject is no longer there. */
export function endedLinkPage(brand: PageBrand | null): Page {
  return shortPage(
    410,
    'There is nothing left to choose',
    brand,
    html`<p>What this link was made for is no longer here, so nothing more comes to you because of it. Nothing was changed.</p>`,
  )
}

function brandMark({ name, logo }: PageBrand): Html {
  const mark = logo && logoOrigin(logo.url) ? html`<img src="${logo.url}" alt="${logo.alt}">` : html`${name}`
  return html`<p class="brand">${mark}</p>`
}

/** Checked when the brand is put; said again here, since it is written into a style as it stands. */
function brandStyle(brand: PageBrand | null): string {
  const { fill, ink } = brand?.primary ?? {}
  if (!isHex(fill) || !isHex(ink)) return ''
  return `:root { --fill: ${fill}; --on-fill: ${ink} }\n`
}

function isHex(color: string | undefined): color is string {
  return color !== undefined && /^#[0-9a-f]{6}$/i.test(color)
}

/** Loads nothing but the logo, from nowhere but its own place. */
function policyFor(brand: PageBrand | null): string {
  const origin = brand?.logo && logoOrigin(brand.logo.url)
  return [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    `img-src data:${origin ? ` ${origin}` : ''}`,
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')
}

/** Null where it could not be said in a policy: hosts may hold marks that end a directive. */
function logoOrigin(url: string): string | null {
  const origin = URL.parse(url)?.origin ?? ''
  return /^https?:\/\/[a-z0-9._:[\]-]+$/.test(origin) ? origin : null
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#e4e2dd, #34363b); --soft: light-dark(#65635d, #a8a8a2);
  --ink: light-dark(#1d1c1a, #ecebe7); --paper: light-dark(#fbfaf7, #17181a); --card: light-dark(#fff, #202226);
  --fill: light-dark(#8a5a00, #f0b955); --on-fill: light-dark(#fff, #1d1c1a); --hover: light-dark(#f6f3ec, #282a2f) }
* { box-sizing: border-box }
html { scroll-padding-bottom: 6rem }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 40rem; margin: 0 auto; padding: 3rem 1.25rem 4rem }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; overflow-wrap: anywhere; text-wrap: balance }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
.lead, .about { color: var(--soft) }
.lead { margin-bottom: 2rem }
.brand { margin: 0 0 2rem; font-weight: 600; letter-spacing: -.01em }
.brand img { display: block; max-width: 140px; max-height: 56px }
a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 3px }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; border-radius: 4px }
button { font: inherit; font-weight: 600; padding: .6rem 1.25rem; border: 1px solid transparent; border-radius: 8px; cursor: pointer;
  background: var(--fill); color: var(--on-fill) }
button:focus-visible { border-radius: 8px }
button:hover { filter: brightness(1.07) }
.actions { display: flex; flex-wrap: wrap; align-items: center; gap: 1rem 1.5rem; margin-top: 1.5rem }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.note { display: flex; gap: .6rem; align-items: baseline; margin: 0 0 1.5rem; padding: .7rem 1rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--card); font-weight: 600 }
.section { margin: 0 0 2rem; padding: 0; border: 0; min-width: 0 }
.section > legend { padding: 0; margin-bottom: .5rem; font-size: .8rem; font-weight: 600; color: var(--soft) }
.topics { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: 10px; background: var(--card) }
.topics > li { padding: .9rem 1rem }
.topics > li + li { border-top: 1px solid var(--line) }
.head { display: grid; grid-template-columns: 1fr auto; gap: .1rem 1rem; align-items: start }
.name { font-weight: 600; overflow-wrap: anywhere }
.about { grid-column: 1 / -1; margin: 0; font-size: .9rem; white-space: pre-line }
.always { margin: 0; color: var(--soft); font-size: .9rem; white-space: nowrap; display: flex; align-items: center; gap: .6rem }
.switch { appearance: none; grid-column: 2; grid-row: 1; position: relative; width: 2.75rem; height: 1.5rem; margin: 0; cursor: pointer;
  border: 1px solid var(--soft); border-radius: 1rem; background: transparent }
.switch::before { content: ""; position: absolute; top: 3px; left: 3px; width: 1rem; height: 1rem; border-radius: 50%; background: var(--soft) }
.switch:checked { background: var(--fill) }
.switch:checked::before { left: auto; right: 3px; background: var(--on-fill) }
.switch:focus-visible { border-radius: 1rem }
.switch:disabled { cursor: default; opacity: .55 }
details { margin-top: .5rem; font-size: .9rem }
summary { width: fit-content; cursor: pointer; color: var(--soft); border-radius: 4px }
summary:hover { color: var(--ink) }
summary strong { font-weight: 600; color: var(--ink) }
.topics > li:has(> .head > .switch:not(:checked)) details { display: none }
.more { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; padding: .75rem 0 .25rem }
.ways { margin: 0; padding: 0; border: 0; min-width: 0; display: flex; flex-wrap: wrap; gap: .5rem }
.ways legend, .pause label { display: block; padding: 0; margin-bottom: .35rem; color: var(--soft) }
.ways label { display: flex; align-items: center; gap: .45rem; padding: .3rem .75rem .3rem .6rem; border: 1px solid var(--line); border-radius: 2rem; cursor: pointer }
.ways label:hover { background: var(--hover) }
.ways label:has(:focus-visible) { outline: 2px solid var(--ink); outline-offset: 2px }
.ways input { margin: 0; width: 1rem; height: 1rem; accent-color: var(--fill); outline: none }
select { font: inherit; max-width: 100%; padding: .4rem .6rem; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: 8px }
.save { position: sticky; bottom: 0; margin: 0 -1.25rem; padding: 1rem 1.25rem; background: linear-gradient(transparent, var(--paper) 1rem) }
@media (max-width: 34rem) {
  main { padding: 1.75rem 1rem 3rem }
  .save { margin: 0 -1rem; padding: 1rem }
  .save button { width: 100% }
}
@media (prefers-reduced-motion: no-preference) { .switch { transition: background .15s } }
@media (forced-colors: active) { .switch { appearance: auto } .switch::before { content: none } }
`
