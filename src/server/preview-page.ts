import type { Channel } from '../channels/provider.ts'
import type { Preview, PreviewedOutput, RefusedOutput } from '../domain/preview.ts'
import { Html, html } from './html.ts'
import { actionHtml, blocksHtml } from './preview-block.ts'
import { knowsSchemes, MAIL_POLICY, mailFrame } from './preview-frame.ts'
import { PREVIEW_STYLE } from './preview-style.ts'
import type { Page } from './route.ts'

/**
 * What a preview link shows: every channel's output, about as its readers see it, without a script. Whatever comes from a
 * template or from data is escaped by the `html` tag; the HTML of a mail lives in frames without scripts or an origin.
 */

export function previewPage({ outputs, silent, refused }: Preview, expiresAt: Date): Page {
  const [first] = outputs
  const title = (first?.subject || first?.title) ?? ''
  return page(
    200,
    title || 'Preview',
    html`<header><p class="what">Preview</p><h1>${title || 'Without a title'}</h1>
<p class="about">Nothing was sent, and no link in it acts for anybody. This page can be opened until ${timeOf(expiresAt)}.</p></header>
${outputs.length > 1 ? html`<nav>${outputs.map((output) => html`<a href="#${anchorOf(output)}">${nameOf(output)}</a>`)}</nav>` : null}
${reasons('Cannot be shown', refused)}
${outputs.map(section)}
${reasons('Nothing for these channels', silent)}`,
  )
}

/** For a link that we did not make, in no other words than for one whose day is over. */
export function unknownPreviewPage(): Page {
  return page(
    404,
    'There is no preview here',
    html`<h1>There is no preview here</h1><p class="about">The link was cut short, or its day is over. Ask for a new one.</p>`,
  )
}

/** What the link shows cannot be shown now. sentence: why. */
export function refusedPreviewPage(status: number, sentence: string): Page {
  return page(status, 'Nothing to show', html`<h1>Nothing to show</h1><p class="refused">${sentence}</p>`)
}

const NAMES: { readonly [C in Channel]: string } = {
  EMAIL: 'Email',
  SMS: 'SMS',
  PUSH: 'Push',
  INBOX: 'Inbox',
  DIRECT_MESSAGE: 'Direct message',
  WEBHOOK: 'Webhook',
}

const anchorOf = ({ channel, providerId }: PreviewedOutput) => (providerId === null ? channel : `${channel}-${providerId}`)

const nameOf = ({ channel, providerId }: Pick<PreviewedOutput, 'channel' | 'providerId'>) =>
  providerId === null ? NAMES[channel] : `${NAMES[channel]}, by ${providerId}`

function section(output: PreviewedOutput): Html {
  return html`<section id="${anchorOf(output)}"><h2>${nameOf(output)}</h2>${SHOWN[output.channel](output)}</section>
`
}

const SHOWN: { readonly [C in Channel]: (output: PreviewedOutput) => Html } = {
  EMAIL: emailHtml,
  SMS: ({ text, payload }) => html`${bubble(text)}${sizeOf(payload)}`,
  PUSH: ({ title, text, payload }) =>
    html`<div class="card note"><p class="title">${title ?? ''}</p>${paragraph(text)}</div>${json('Data', payload)}`,
  INBOX: ({ title, text, actions = [], preview, payload }) =>
    html`<div class="card"><p class="title">${title || preview || ''}</p>${paragraph(text)}${actionRow(actions)}</div>${json('Data', payload)}`,
  DIRECT_MESSAGE: ({ text, blocks = [], payload }) =>
    html`<div class="card chat">${blocks.length > 0 ? blocksHtml(blocks) : paragraph(text)}</div>
${json("The service's own blocks", payload)}${blocks.length > 0 ? aside('As text', (text ?? '').trimEnd()) : null}`,
  WEBHOOK: ({ payload }) => html`<pre>${JSON.stringify(payload ?? null, null, 2)}</pre>`,
}

/** Beside each other where there is room, otherwise one at a time. The inputs choose; styles alone show what is chosen. */
function emailHtml({ subject, html: source, text }: PreviewedOutput): Html {
  if (!source) return html`${subjectLine(subject)}${textPart(text)}`
  const choice = (name: string, value: string, label: string, checked: boolean) =>
    html`<label><input type="radio" name="${name}" value="${value}"${checked ? new Html(' checked') : null}> ${label}</label>`
  return html`${subjectLine(subject)}
<div class="choices">
<fieldset class="widths"><legend>Width</legend>${choice('width', 'desktop', 'Desktop', true)}${choice('width', 'phone', 'Phone', false)}</fieldset>
<fieldset><legend>Colours</legend>${choice('scheme', 'light', 'Light', true)}${choice('scheme', 'dark', 'Dark', false)}</fieldset>
${knowsSchemes(source) ? null : html`<p class="about">It says nothing of dark mode: clients show it as it is, or turn its colours round.</p>`}
</div>
<div class="frames">
${(['light', 'dark'] as const).map((scheme) => html`${mailFrame(source, scheme, 'desktop')}${mailFrame(source, scheme, 'phone')}`)}
</div>
${textPart(text)}`
}

const subjectLine = (subject: string | undefined): Html => html`<p class="subject"><span>Subject</span>${subject ?? ''}</p>`

const textPart = (text: string | undefined): Html => (text ? html`<h3>Text part</h3><pre>${text.trimEnd()}</pre>` : html``)

/** What few look at. */
const aside = (name: string, text: string): Html => html`<details><summary>${name}</summary><pre>${text}</pre></details>`

const bubble = (text: string | undefined): Html => html`<p class="bubble">${text ?? ''}</p>`

const paragraph = (text: string | undefined): Html => (text ? html`<p class="text">${text}</p>` : html``)

const actionRow = (actions: NonNullable<PreviewedOutput['actions']>): Html =>
  actions.length === 0 ? html`` : html`<p class="row">${actions.map(actionHtml)}</p>`

function sizeOf(payload: unknown): Html {
  if (payload === null || typeof payload !== 'object' || !('segments' in payload)) return html``
  const { encoding, characters, segments } = payload as { encoding: string; characters: number; segments: number }
  const alphabet = encoding === 'GSM_7' ? 'GSM-7' : 'UCS-2'
  const parts = segments === 1 ? '1 segment' : `${segments} segments`
  return html`<p class="about">${parts}, ${characters} ${characters === 1 ? 'character' : 'characters'} in ${alphabet}</p>`
}

function json(name: string, value: unknown): Html {
  const isEmpty = value == null || (typeof value === 'object' && Object.keys(value).length === 0)
  return isEmpty ? html`` : aside(name, JSON.stringify(value, null, 2))
}

function reasons(title: string, unshown: readonly RefusedOutput[]): Html {
  if (unshown.length === 0) return html``
  return html`<section><h2>${title}</h2><dl>${unshown.map(
    (one) => html`<div><dt>${nameOf(one)}</dt><dd>${one.error}</dd></div>`,
  )}</dl></section>`
}

function timeOf(at: Date): Html {
  const [day, time] = [at.toISOString().slice(0, 10), at.toISOString().slice(11, 16)]
  return html`<time datetime="${at.toISOString()}">${day} ${time} UTC</time>`
}

function page(status: number, title: string, body: Html): Page {
  const text = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><meta name="robots" content="noindex"><link rel="icon" href="data:,"><style>${new Html(PREVIEW_STYLE)}</style></head>
<body><main>
${body}
</main></body></html>
`.text
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': MAIL_POLICY,
    'x-robots-tag': 'noindex, nofollow',
  }
  return { status, headers, body: text }
}
