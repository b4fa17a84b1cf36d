import type { PageBrand } from '../domain/page-brand.ts'
import { html } from './html.ts'
import { shortPage } from './page-frame.ts'
import type { Page } from './route.ts'

/** What the page of an unsubscribe link says. topic: its name, as a person reads it. */
export interface UnsubscribeView {
  readonly topic: string
  readonly brand: PageBrand | null
  /** The page where everything can be chosen. */
  readonly preferencesUrl: string
}

/** The field and value of a one-click unsubscription (RFC 8058, 3.2); the button sends what a mail program would. */
export const ONE_CLICK = { name: 'List-Unsubscribe', value: 'One-Click' } as const

/** Shown on GET, which changes nothing: programs that look at every link of a mail come here too. */
export function askPage({ topic, brand, preferencesUrl }: UnsubscribeView): Page {
  return shortPage(
    200,
    `Unsubscribe from ${topic}?`,
    brand,
    html`<p class="lead">You will get no more messages about it, on any channel, but for those that must reach you.</p>
<form method="post" class="actions"><button name="${ONE_CLICK.name}" value="${ONE_CLICK.value}">Unsubscribe</button>
<a href="${preferencesUrl}">Choose what you get instead</a></form>`,
  )
}

export function donePage({ topic, brand, preferencesUrl }: UnsubscribeView): Page {
  return shortPage(
    200,
    'You are unsubscribed',
    brand,
    html`<p class="lead" role="status">You get no more messages about ${topic}, but for those that must reach you.</p>
<p><a href="${preferencesUrl}">Change your mind, or choose what else you get</a></p>`,
  )
}

/** status: 200 where it was only looked at, 409 where it was asked for. */
export function requiredPage(status: 200 | 409, { topic, brand, preferencesUrl }: UnsubscribeView): Page {
  return shortPage(
    status,
    `${topic} cannot be turned off`,
    brand,
    html`<p class="lead">Messages about it are needed, so everybody gets them. Nothing was changed.</p>
<p><a href="${preferencesUrl}">Choose what else you get</a></p>`,
  )
}

/** A POST that did not ask for it in the words of RFC 8058. */
export function unaskedPage(brand: PageBrand | null): Page {
  return shortPage(
    400,
    'Nothing was changed',
    brand,
    html`<p>To unsubscribe, open the link from the message and press the button there.</p>`,
  )
}
