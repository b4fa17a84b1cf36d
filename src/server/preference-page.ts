import type { Channel } from '../channels/provider.ts'
import type { PageBrand } from '../domain/page-brand.ts'
import type { EffectivePreference } from '../domain/preference.ts'
import { offeredChannels } from '../domain/preference-link.ts'
import { type Html, html } from './html.ts'
import { framedPage } from './page-frame.ts'
import { AS_IT_IS, fieldsOf, NO_PAUSE, PAUSES, shownChannels, shownState } from './preference-form.ts'
import type { Page } from './route.ts'

export interface PreferenceView {
  /** In the order in which they are shown: those of a section stand together. */
  readonly preferences: readonly EffectivePreference[]
  readonly brand: PageBrand | null
  /** Whether it is shown after saving. */
  readonly saved: boolean
}

const CHANNEL_NAMES: Readonly<Record<Channel, string>> = {
  EMAIL: 'Email',
  SMS: 'SMS',
  PUSH: 'Push',
  INBOX: 'Inbox',
  DIRECT_MESSAGE: 'Chat',
  WEBHOOK: 'Webhook',
}

/** One form without scripts: every topic with its switch, the channels it may come by, and a pause. */
export function preferencePage({ preferences, brand, saved }: PreferenceView): Page {
  const title = 'Your preferences'
  const lead = brand === null ? 'Choose what you hear about, and how.' : `Choose what you hear about from ${brand.name}, and how.`
  return framedPage({
    status: 200,
    title,
    brand,
    body: html`<h1>${title}</h1>
<p class="lead">${lead}</p>
${saved ? html`<p class="note" role="status">Your choices are saved.</p>` : null}
${preferences.length === 0 ? html`<p>There is nothing to choose yet.</p>` : form(preferences)}`,
  })
}

function form(preferences: readonly EffectivePreference[]): Html {
  // A topic that is required has no fields, and so no number.
  const numbers = new Map(preferences.filter(isChoosable).map(({ id }, index) => [id, index]))
  const row = (preference: EffectivePreference) => {
    const number = numbers.get(preference.id)
    return number === undefined ? requiredRow(preference) : choiceRow(preference, number)
  }
  const sections = [...Map.groupBy(preferences, ({ topic }) => topic.section)]
  const groups = sections.map(([section, inIt]) => {
    const legend = html`<legend${sections.length === 1 && section === null ? html` class="unseen"` : null}>${section ?? 'Other'}</legend>`
    return html`<fieldset class="section">${legend}<ul class="topics">${inIt.map(row)}</ul></fieldset>\n`
  })
  return html`<form method="post" action="?">${groups}
${numbers.size === 0 ? null : html`<p class="save"><button>Save</button></p>`}</form>`
}

function isChoosable({ status }: EffectivePreference): boolean {
  return status !== 'REQUIRED'
}

function requiredRow({ id, topic }: EffectivePreference): Html {
  return html`<li><div class="head"><label class="name" for="${id}">${topic.name}</label>
<span class="always">Always on <input class="switch" type="checkbox" role="switch" id="${id}" checked disabled></span>${about(topic)}</div></li>`
}

function choiceRow(preference: EffectivePreference, number: number): Html {
  const { id, topic, status } = preference
  const fields = fieldsOf(number)
  return html`<li><div class="head"><label class="name" for="${id}">${topic.name}</label>
<input class="switch" type="checkbox" role="switch" id="${id}" name="${fields.on}"${flag('checked', status === 'OPTED_IN')}>${about(topic)}</div>
<input type="hidden" name="${fields.topic}" value="${topic.id}"><input type="hidden" name="${fields.was}" value="${shownState(preference)}">
<details><summary><span class="unseen">${topic.name}: </span>${summaryOf(preference)}</summary>
<div class="more">${ways(preference, fields.channel)}${pause(preference, fields.pause)}</div></details></li>`
}

function about({ description }: EffectivePreference['topic']): Html | null {
  return description ? html`<p class="about">${description}</p>` : null
}

function summaryOf(preference: EffectivePreference): Html {
  const { topic, snoozedUntil } = preference
  const shown = shownChannels(preference)
  const every = shown !== null && shown.length === offeredChannels(topic).length
  const names = shown?.map((channel) => CHANNEL_NAMES[channel]).join(', ')
  const how = shown === null ? null : every ? 'Every channel' : names || 'No channel'
  if (snoozedUntil !== null) return html`<strong>Paused until ${time(snoozedUntil)}</strong>${how && ` · ${how}`}`
  return html`${how ?? 'Pause'}`
}

function ways(preference: EffectivePreference, name: string): Html | null {
  const shown = shownChannels(preference)
  if (shown === null) return null
  const boxes = offeredChannels(preference.topic).map(
    (channel) =>
      html`<label><input type="checkbox" name="${name}" value="${channel}"${flag('checked', shown.includes(channel))}>${CHANNEL_NAMES[channel]}</label>`,
  )
  return html`<fieldset class="ways"><legend>How it reaches you</legend>${boxes}</fieldset>`
}

function pause({ id, snoozedUntil }: EffectivePreference, name: string): Html {
  const now =
    snoozedUntil === null
      ? html`<option value="${AS_IT_IS}">Not paused</option>`
      : html`<option value="${AS_IT_IS}">Leave it paused</option><option value="${NO_PAUSE}">End the pause</option>`
  const spans = Object.keys(PAUSES).map((span) => html`<option value="${span}">For a ${span}</option>`)
  return html`<div class="pause"><label for="${id}-pause">Pause</label><select id="${id}-pause" name="${name}">${now}${spans}</select></div>`
}

function flag(name: string, set: boolean): Html | null {
  return set ? html` ${name}` : null
}

function time(at: Date): Html {
  return html`<time datetime="${at.toISOString()}">${shownTime(at)}</time>`
}

const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' })

/** The zone is named, since a page cannot know the reader's. */
function shownTime(at: Date): string {
  return `${TIME.format(at)} UTC`
}
