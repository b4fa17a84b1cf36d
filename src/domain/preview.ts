import { CHANNELS, type Channel } from '../channels/provider.ts'
import { badInput, notFound, Refusal } from '../errors.ts'
import { fairnessOf } from '../queue/kinds.ts'
import { speaksOn } from '../render/document.ts'
import { RenderRefusal } from '../render/template.ts'
import { readPersons } from '../store/facts.ts'
import { readLetters } from '../store/letter.ts'
import { findMissing, type Reference } from '../store/reference.ts'
import { readDraft, versionKey } from '../store/template.ts'
import { readOnlyTenants } from '../store/tenant.ts'
import { hasUser } from '../store/user.ts'
import type { Account } from './account.ts'
import { type ContentToSend, contentToSend } from './channel-override.ts'
import { newId } from './id.ts'
import { deepMerge } from './json.ts'
import type { CheckedPreview, PreviewSource } from './preview-input.ts'
import { type Reader, refusalOf, renderJobOf, type ShowingParts, urlsOf } from './rendering.ts'
import { type Definition, missing } from './send.ts'
import { addressed, type KeptRecipient, type Occasion, readGrounds, readSurroundings, situationOf } from './situation.ts'
import type { TemplateDraft } from './template.ts'
import { withTemplate } from './template-use.ts'

/** What each channel would show, in the contract's order, and which ones the content cannot be shown on. */
export interface Preview {
  readonly outputs: readonly PreviewedOutput[]
  readonly refused: readonly { readonly channel: Channel; readonly error: string }[]
}

/** providerId: where it is that account's own; null: as any account of the channel would show it. */
export interface PreviewedOutput extends ContentToSend {
  readonly channel: Channel
  readonly providerId: string | null
}

/**
 * Renders a template, a content or a past message without sending anything: nothing is written, nobody is called, nothing is
 * tracked.
 *
 * @throws Refusal NOT_FOUND for what is named and is not there, BAD_USER_INPUT where a channel that is asked for by name, or
 * every one, cannot be rendered
 */
export type ShowPreview = (environmentId: string, input: CheckedPreview) => Promise<Preview>

export function createPreview(parts: ShowingParts): ShowPreview {
  return async (environmentId, input) => {
    const occasion = await occasionOf(parts, environmentId, input)
    const channels = input.channels ?? CHANNELS
    const results = await renderEach(parts, occasion, input, channels)
    const preview: Preview = {
      outputs: results.flatMap(({ channel, provider, content }) =>
        content instanceof RenderRefusal
          ? []
          : [{ ...contentToSend(occasion.definition, { channel }, content), channel, providerId: provider?.id ?? null }],
      ),
      refused: results.flatMap(({ channel, content }) =>
        content instanceof RenderRefusal ? [{ channel, error: content.message }] : [],
      ),
    }
    refuseUnrendered(preview, input)
    return preview
  }
}

function refuseUnrendered({ outputs, refused }: Preview, { channels, source }: CheckedPreview): void {
  const isWanted = channels !== null
  if (refused.length === 0 || (!isWanted && outputs.length > 0)) return
  const path = isWanted ? ['input', 'channels'] : ['input', source.kind === 'message' ? 'messageId' : source.kind]
  const issues = refused.map(({ channel, error }) => ({ path, message: `${channel}: ${error}` }))
  throw new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
}

/** All at once: they are one batch of the threads, apart from the messages of those they are about. */
async function renderEach(parts: ShowingParts, occasion: Occasion, input: CheckedPreview, channels: readonly Channel[]) {
  const { db, builtIns, renderer, links, now } = parts
  const { environmentId, tenantId } = occasion
  const [[person], grounds] = await Promise.all([readPersons(db, [occasion]), readGrounds(db, builtIns, [environmentId])])
  const surroundings = await readSurroundings(db, grounds, [occasion], now())
  const situation = situationOf(occasion, person!, surroundings, parts)
  // Whoever looks at it wants to see where the links would stand, also where nobody is named.
  const urls = urlsOf({ ...occasion, userId: occasion.userId ?? 'preview' }, situation, links)
  const messageId = input.source.kind === 'message' ? input.source.id : newId('msg')
  const fairnessKey = `${fairnessOf(environmentId, tenantId)}\npreview`
  const { accounts } = situation.snapshot
  const readers = channels.flatMap((channel) => readersOf(channel, occasion.definition, accounts))
  return Promise.all(
    readers.map(async (reader) => {
      const job = renderJobOf(reader, occasion, situation, urls, messageId)
      return { ...reader, content: await renderer.render(job, fairnessKey).catch(refusalOf) }
    }),
  )
}

const MOST_ACCOUNTS = 10

/** Any account of the channel; where the content has something to say for some of them alone, each of those. */
function readersOf(channel: Channel, { content }: Definition, accounts: readonly Account[]): readonly Reader[] {
  const any = { channel, provider: null }
  if (speaksOn(content, channel)) return [any]
  const own = accounts
    .filter((account) => account.channel === channel && account.enabled && speaksOn(content, channel, account))
    .map(({ id, kind }) => ({ channel, provider: { id, kind } }))
  return own.length > 0 ? own.slice(0, MOST_ACCOUNTS) : [any]
}

/** What is said, to whom. */
async function occasionOf(parts: ShowingParts, environmentId: string, input: CheckedPreview): Promise<Occasion> {
  const { db } = parts
  const { userId, tenantId, brandId, source } = input
  const references: readonly Reference[] = [
    ...(tenantId === null ? [] : [{ environmentId, kind: 'tenant', id: tenantId } as const]),
    ...(brandId === null ? [] : [{ environmentId, kind: 'brand', id: brandId } as const]),
  ]
  const [lacking] = await findMissing(db, references)
  if (lacking) throw missing(lacking)
  if (userId !== null && !(await hasUser(db, environmentId, userId))) throw notFound('user', userId)
  if (source.kind === 'message') return asSent(parts, environmentId, source, input)
  const definition = { ...NOTHING_SAID, data: input.data ?? {}, brandId }
  const said =
    source.kind === 'content'
      ? { ...definition, content: source.content }
      : await textOfTemplate(parts, environmentId, definition, source)
  const only = tenantId === null && userId !== null ? await readOnlyTenants(db, environmentId, [userId]) : null
  return {
    environmentId,
    userId,
    tenantId: tenantId ?? only?.get(userId!) ?? null,
    topicId: said.topicId,
    listId: null,
    to: addresseeOf({}, { ...input, data: null }),
    definition: said,
    ...timing(parts.now()),
  }
}

const NOTHING_SAID: Definition = {
  content: {},
  data: {},
  brandId: null,
  tenantId: null,
  locale: null,
  topicId: null,
  groups: [],
  metadata: { event: null, tags: [], traceId: null },
}

/** Nothing is put off, and no send limit is asked. */
const timing = (enqueuedAt: Date) => ({ enqueuedAt, scheduledFor: null, isCounted: true, isUnderWay: true })

function addresseeOf(to: KeptRecipient, { userId, profile, locale, data }: CheckedPreview): KeptRecipient {
  return {
    ...to,
    ...(userId !== null && { userId }),
    ...(locale !== null && { locale }),
    ...(profile !== null && { profile: deepMerge(to.profile ?? {}, profile) }),
    ...(data !== null && { data: deepMerge(to.data ?? {}, data) }),
  }
}

/** With its own data, user and tenant, but for what is given. */
async function asSent(
  parts: ShowingParts,
  environmentId: string,
  { id, version }: Extract<PreviewSource, { kind: 'message' }>,
  input: CheckedPreview,
): Promise<Occasion> {
  const row = (await readLetters(parts.db, [{ environmentId, messageId: id }])).get(id)
  if (row === undefined) throw notFound('message', id)
  const { userId, tenantId, topicId, listId, enqueuedAt } = row
  const kept = row.definition as unknown as Definition
  return {
    environmentId,
    userId: input.userId ?? userId,
    tenantId: input.tenantId ?? tenantId,
    topicId,
    listId,
    to: addresseeOf(addressed({ to: row.to as KeptRecipient, definition: kept }), input),
    definition: await textSent(parts, environmentId, { ...kept, brandId: input.brandId ?? kept.brandId }, version),
    ...timing(enqueuedAt),
  }
}

/** wanted: instead of the version that it was sent with. */
async function textSent(parts: ShowingParts, environmentId: string, kept: Definition, wanted: Wanted): Promise<Definition> {
  const path = ['input', wanted === 'draft' ? 'draft' : 'version']
  if (kept.template === undefined) {
    if (wanted === null) return kept
    throw badInput(path, 'The message was not sent with a template, so there is no other version of what it says.')
  }
  const { id, version } = kept.template
  const shown = wanted ?? version
  if (shown === null)
    throw badInput(path, `Nothing of the template '${id}' was published then: name a version, or ask for the draft.`)
  return under(kept, id, shown, await bodyOf(parts, environmentId, id, shown))
}

async function textOfTemplate(
  parts: ShowingParts,
  environmentId: string,
  definition: Definition,
  { id, version }: Extract<PreviewSource, { kind: 'template' }>,
): Promise<Definition> {
  const published = (await parts.versions.readPublished(parts.db, [{ environmentId, id }])).get(`${environmentId}\n${id}`)
  if (published === undefined) throw notFound('template', id)
  const shown = version ?? published
  if (shown === null) throw badInput(['input', 'template'], `Nothing of the template '${id}' is published: ask for its draft.`)
  const body = await bodyOf(parts, environmentId, id, shown)
  return under({ ...definition, topicId: body.topicId ?? null }, id, shown, body)
}

type Wanted = number | 'draft' | null

async function bodyOf(
  { db, versions }: ShowingParts,
  environmentId: string,
  id: string,
  wanted: number | 'draft',
): Promise<TemplateDraft> {
  if (wanted === 'draft') {
    const draft = await readDraft(db, environmentId, id)
    if (draft === null) throw notFound('template', id)
    return draft as TemplateDraft
  }
  const ref = { environmentId, id, number: wanted }
  const body = (await versions.read(db, [ref])).get(versionKey(ref))
  if (body === undefined) throw new Refusal('NOT_FOUND', `The template '${id}' has no version ${wanted}.`)
  return body as TemplateDraft
}

function under(definition: Definition, id: string, shown: number | 'draft', body: TemplateDraft): Definition {
  return withTemplate({ ...definition, template: { id, version: shown === 'draft' ? null : shown } }, body)
}
