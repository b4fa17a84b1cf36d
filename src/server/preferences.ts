import type { Commands } from '../domain/command.ts'
import type { Links, PreferencesLink, UnsubscribeLink } from '../domain/link.ts'
import type { PageBrand } from '../domain/page-brand.ts'
import type { EffectivePreference } from '../domain/preference.ts'
import { actorOfLink, changePreferences, type LinkedTopic, offeredChannels, unsubscribe } from '../domain/preference-link.ts'
import { readForm } from './form.ts'
import { endedLinkPage, unknownLinkPage } from './page-frame.ts'
import { changesOf } from './preference-form.ts'
import { preferencePage } from './preference-page.ts'
import type { Page, Route, RouteRequest } from './route.ts'
import { askPage, donePage, ONE_CLICK, requiredPage, unaskedPage } from './unsubscribe-page.ts'

export interface PreferencePagesOptions {
  readonly links: Links
  readonly commands: Pick<Commands, 'run'>
  /** Every topic with what holds for the link's user; null where the user is no longer there. */
  readonly readPreferences: (link: PreferencesLink) => Promise<readonly EffectivePreference[] | null>
  /** Null where the user or the topic is no longer there. */
  readonly readTopic: (link: UnsubscribeLink) => Promise<LinkedTopic | null>
  /** What the pages look like. Absent, or null: like ours. */
  readonly brandFor?: (link: PreferencesLink) => Promise<PageBrand | null>
  readonly now: () => Date
}

const METHODS = ['GET', 'HEAD', 'POST']
const SAVED = 'saved'

/**
 * What links in mails lead to, without a login: /unsubscribe/<token>, where a GET shows and a POST acts (RFC 8058), and
 * /preferences/<token>, a form of all topics. A token that is not ours is 404; one whose user or topic is gone is
 * 410. Neither changes anything.
 */
export function createPreferencePages(options: PreferencePagesOptions): readonly Route[] {
  return [
    { path: '/unsubscribe', methods: METHODS, answer: (request) => answerUnsubscribe(request, options) },
    { path: '/preferences', methods: METHODS, answer: (request) => answerPreferences(request, options) },
  ]
}

async function answerUnsubscribe(request: RouteRequest, options: PreferencePagesOptions): Promise<Page> {
  const link = options.links.openUnsubscribe(tokenOf(request))
  if (link === null) return unknownLinkPage()
  const [brand, topic] = await Promise.all([options.brandFor?.(link) ?? null, options.readTopic(link)])
  if (topic === null) return endedLinkPage(brand)
  const view = { topic: topic.name, brand, preferencesUrl: options.links.preferencesUrl(link) }
  if (request.method === 'POST') {
    const form = await readForm(request)
    if (form.get(ONE_CLICK.name) !== ONE_CLICK.value) return unaskedPage(brand)
    return unsubscribedPage(await unsubscribeBy(link, options), view)
  }
  if (topic.state === 'required') return requiredPage(200, view)
  return topic.state === 'unsubscribed' ? donePage(view) : askPage(view)
}

async function unsubscribeBy(link: UnsubscribeLink, { commands, now }: PreferencePagesOptions) {
  return (await commands.run(actorOfLink(link, now()), unsubscribe, link)).value
}

type View = Parameters<typeof donePage>[0]

function unsubscribedPage(outcome: Awaited<ReturnType<typeof unsubscribeBy>>, view: View): Page {
  if (outcome === 'gone') return endedLinkPage(view.brand)
  return outcome === 'required' ? requiredPage(409, view) : donePage(view)
}

async function answerPreferences(request: RouteRequest, options: PreferencePagesOptions): Promise<Page> {
  const { links, readPreferences, brandFor } = options
  const link = links.openPreferences(tokenOf(request))
  if (link === null) return unknownLinkPage()
  const [brand, preferences] = await Promise.all([brandFor?.(link) ?? null, readPreferences(link)])
  if (preferences === null) return endedLinkPage(brand)
  if (request.method !== 'POST') return preferencePage({ preferences, brand, saved: request.url.searchParams.has(SAVED) })
  return (await save(link, preferences, request, options)) ? seeOther(`?${SAVED}`) : endedLinkPage(brand)
}

async function save(
  link: PreferencesLink,
  preferences: readonly EffectivePreference[],
  request: RouteRequest,
  { commands, now }: PreferencePagesOptions,
): Promise<boolean> {
  const offered = new Map(preferences.map(({ topic }) => [topic.id, offeredChannels(topic)]))
  const at = now()
  const changes = changesOf(await readForm(request), offered, at)
  if (changes.length === 0) return true
  return (await commands.run(actorOfLink(link, at), changePreferences, { link, changes })).value
}

function tokenOf({ url }: RouteRequest): string {
  return url.pathname.slice(url.pathname.indexOf('/', 1) + 1)
}

/** A reference to the same page, so that it holds behind whatever path a proxy puts before ours. */
function seeOther(location: string): Page {
  return { status: 303, headers: { location }, body: '' }
}
