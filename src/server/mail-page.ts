import { Html, html } from './html.ts'
import type { CaughtMail, MailSummary } from './mail-folder.ts'

/**
 * What the caught mails look like in a browser. A mail is whatever somebody sent: every value is escaped by the `html`
 * tag, and the HTML of a mail lives in a frame without scripts or an origin.
 */

/** `older`: the number from which the next page goes back, when there is one. */
export function listPage(mails: readonly MailSummary[], count: number, older: number | null): string {
  const list = html`<ul class="mails">${mails.map(row)}</ul>`
  const nothing = html`<p class="nothing">No mail yet. Whatever is sent by email lands here.</p>`
  return page(
    'Caught mail',
    html`<header><h1>Caught mail</h1><p>${countOf(count)}</p></header>
${mails.length > 0 ? list : nothing}
${older === null ? null : html`<nav><a href="/mail?before=${older}">Older mails</a></nav>`}`,
  )
}

function countOf(count: number): string {
  return count === 1 ? '1 mail' : `${count.toLocaleString('en')} mails`
}

function row({ id, subject, to, at }: MailSummary): Html {
  return html`<li><a href="/mail/${id}"><span class="subject">${subject || '(no subject)'}</span>
<span class="to">${to || '(no recipient)'}</span> ${time(at)}</a></li>
`
}

export function mailPage(mail: CaughtMail): string {
  const { id, subject, from, to, at, content } = mail
  const attachments = content.attachments.map(({ filename, mimeType }) => `${filename ?? 'unnamed'} (${mimeType})`)
  return page(
    subject || '(no subject)',
    html`<nav><a href="/mail">All mails</a> <a href="/mail/${id}.eml">Source</a></nav>
<header><h1>${subject || '(no subject)'}</h1></header>
<dl>${fact('From', from)}${fact('To', to)}${fact('Caught', time(at))}${fact('Attached', attachments.join(', '))}</dl>
${content.html === undefined ? null : frame(content.html)}
${content.text === undefined ? null : html`<section><h2>Text</h2><pre>${content.text.trimEnd()}</pre></section>`}
<details><summary>Headers</summary><dl class="headers">${content.headers.map(({ originalKey, value }) => fact(originalKey, value))}</dl></details>`,
  )
}

export function missingPage(): string {
  return page(
    'No such mail',
    html`<nav><a href="/mail">All mails</a></nav><h1>No such mail</h1><p class="nothing">It was never caught, or is no longer kept.</p>`,
  )
}

function fact(name: string, value: string | Html): Html {
  return value === '' ? html`` : html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}

/** Links open beside the page: the frame itself may go nowhere. */
function frame(source: string): Html {
  const document = `<base target="_blank"><meta name="color-scheme" content="light">${source}`
  return html`<section><h2>HTML</h2><iframe title="The mail as HTML" sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="${document}"></iframe></section>`
}

function time(at: Date): Html {
  return html`<time datetime="${at.toISOString()}">${at.toLocaleString('sv-SE')}</time>`
}

function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><link rel="icon" href="data:,"><style>${new Html(STYLE)}</style></head>
<body><main>
${body}
</main></body></html>
`.text
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#e4e2dd, #34363b); --soft: light-dark(#6a6862, #a3a39d);
  --ink: light-dark(#1d1c1a, #ecebe7); --paper: light-dark(#fbfaf7, #17181a); --card: light-dark(#fff, #202226);
  --accent: light-dark(#8a5a00, #f0b955) }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 54rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
header { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; margin-bottom: 1rem }
header p { margin: 0; color: var(--soft); white-space: nowrap }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; overflow-wrap: anywhere }
h2 { margin: 2rem 0 .5rem; font-size: .8rem; font-weight: 600; color: var(--soft) }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px }
nav { display: flex; gap: 1.25rem; margin: 0 0 1.25rem }
.mails + nav { margin: 1.25rem 0 0 }
.mails { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: 10px; background: var(--card); overflow: hidden }
.mails li + li { border-top: 1px solid var(--line) }
.mails a { display: grid; grid-template-columns: 1fr auto; gap: .1rem 1rem; padding: .7rem 1rem; color: inherit; text-decoration: none }
.mails a:hover { background: light-dark(#f6f3ec, #282a2f) }
.mails a:focus-visible { outline-offset: -2px }
.subject { font-weight: 600 }
.subject, .to { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.to { grid-row: 2; color: var(--soft); font-size: .9rem }
time { font-variant-numeric: tabular-nums }
.mails time { grid-column: 2; grid-row: 1; color: var(--soft); font-size: .9rem }
.nothing { color: var(--soft) }
dl { margin: 0; display: grid; gap: .25rem }
dl div { display: grid; grid-template-columns: 6rem 1fr; gap: 1rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
iframe { display: block; width: 100%; height: 60vh; min-height: 16rem; resize: vertical; border: 1px solid var(--line); border-radius: 10px; background: #fff }
pre { margin: 0; padding: 1rem; border: 1px solid var(--line); border-radius: 10px; background: var(--card); font: .9rem/1.55 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
details { margin-top: 2rem }
summary { cursor: pointer; font-size: .8rem; font-weight: 600; color: var(--soft) }
.headers { margin-top: .75rem; font-size: .85rem }
.headers div { grid-template-columns: 12rem 1fr }
@media (max-width: 34rem) {
  main { padding: 1.25rem 1rem 3rem }
  .mails a { grid-template-columns: 1fr }
  .mails time { grid-column: 1; grid-row: 3; font-size: .8rem }
  .headers div { grid-template-columns: 1fr; gap: 0; margin-bottom: .5rem }
  dl div { grid-template-columns: 4.5rem 1fr }
}
`
