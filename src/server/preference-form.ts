import type { Channel } from '../channels/provider.ts'
import type { EffectivePreference } from '../domain/preference.ts'
import { offeredChannels, type PreferenceChange } from '../domain/preference-link.ts'

/**
 * The form of the preference page. Topics are numbered as they stand in it, and each carries what the page showed: what a
 * person changed is the difference to that, and not to what another page of theirs saved meanwhile.
 */
export function fieldsOf(index: number) {
  return {
    topic: `topic.${index}`,
    was: `was.${index}`,
    on: `on.${index}`,
    channel: `channel.${index}`,
    pause: `pause.${index}`,
  } as const
}

/** How long a pause lasts, in days; a month is thirty of them. */
export const PAUSES = { day: 1, week: 7, month: 30 } as const
/** The choice that leaves a pause, or that there is none, as it is. */
export const AS_IT_IS = ''
export const NO_PAUSE = 'none'

const DAY_MS = 86_400_000

/** Which of the offered channels are chosen; null where there is nothing to choose. */
export function shownChannels({ topic, channels }: EffectivePreference): readonly Channel[] | null {
  const offered = offeredChannels(topic)
  if (offered.length < 2) return null
  return channels === null ? offered : offered.filter((channel) => channels.includes(channel))
}

/** What the page shows of a topic, as its hidden field says: `on EMAIL,SMS`, `off`. */
export function shownState(preference: EffectivePreference): string {
  return stateOf(preference.status !== 'OPTED_OUT', shownChannels(preference) ?? [])
}

/** What was changed in a posted form. What is not one of its fields is passed over. */
export function changesOf(
  form: URLSearchParams,
  offeredTo: ReadonlyMap<string, readonly Channel[]>,
  now: Date,
): readonly PreferenceChange[] {
  const changes: PreferenceChange[] = []
  const seen = new Set<string>()
  for (let index = 0; ; index++) {
    const topicId = form.get(fieldsOf(index).topic)
    if (topicId === null) return changes
    const offered = offeredTo.get(topicId)
    if (offered === undefined || seen.has(topicId)) continue
    seen.add(topicId)
    const change = changeOf(form, index, offered, now)
    if (Object.keys(change).length > 0) changes.push({ topicId, ...change })
  }
}

function changeOf(
  form: URLSearchParams,
  index: number,
  offered: readonly Channel[],
  now: Date,
): Omit<PreferenceChange, 'topicId'> {
  const fields = fieldsOf(index)
  const [wasOn, wasChannels = ''] = form.get(fields.was)?.split(' ') ?? []
  const on = form.has(fields.on)
  const posted = form.getAll(fields.channel)
  const channels = offered.filter((channel) => posted.includes(channel))
  return {
    ...(wasOn !== (on ? 'on' : 'off') && { on }),
    ...(on && offered.length > 1 && wasChannels !== channels.join(',') && { channels }),
    ...pauseOf(form.get(fields.pause), now),
  }
}

function pauseOf(choice: string | null, now: Date): Pick<PreferenceChange, 'snoozedUntil'> {
  if (choice === NO_PAUSE) return { snoozedUntil: null }
  if (choice === null || !Object.hasOwn(PAUSES, choice)) return {}
  return { snoozedUntil: new Date(now.getTime() + PAUSES[choice as keyof typeof PAUSES] * DAY_MS) }
}

function stateOf(on: boolean, channels: readonly Channel[]): string {
  return [on ? 'on' : 'off', ...(channels.length > 0 ? [channels.join(',')] : [])].join(' ')
}
