import { CHANNELS, type Channel, type Rendered } from '../channels/provider.ts'
import { badInput, notFound, Refusal } from '../errors.ts'
import { fairnessOf } from '../queue/kinds.ts'
import { audiencesIn, speaksOn } from '../render/document.ts'
import type { Content } from '../render/element.ts'
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
import { deepMerge, type JsonObject } from './json.ts'
import type { CheckedPreview, PreviewSource } from './preview-input.ts'
import { type Reader, refusalOf, renderJobOf, type ShowingParts, urlsOf } from './rendering.ts'
import { type Definition, missing } from './send.ts'
import { addressed, type KeptRecipient, type Occasion, readGrounds, readSurroundings, situationOf } from './situation.ts'
import type { TemplateDraft } from './template.ts'
import { refuseData } from './template-data.ts'
import { withTemplate } from './template-use.ts'

/** What each channel would show, in the contract's order. */
export interface Preview {
  readonly outputs: readonly PreviewedOutput[]
  /** Those that the content has nothing for, as it may well be meant. */
  readonly silent: readonly RefusedOutput[]
  /** Those that cannot show what it has for them. */
  readonly refused: readonly RefusedOutput[]
}

/** error: a sentence that names the element, where it is one's. */
export interface RefusedOutput {
  readonly channel: Channel
  readonly providerId: string | null
  readonly error: string
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
 * @throws Refusal NOT_FOUND for what is named and is not there; BAD_USER_INPUT for data that a template does not take, and
 * where a channel or an account that is asked for by name, or every channel, has nothing to show or cannot show it
 */
export type ShowPreview = (environmentId: string, input: CheckedPreview) => Promise<Preview>

export function createPreview(parts: ShowingParts): ShowPreview {
  return async (environmentId, input) => {
    const occasion = await occasionOf(parts, environmentId, input)
    const results = await renderEach(parts, occasion, input)
    const preview = previewOf(occasion.definition, results)
    refuseUnshown(preview, input)
    return preview
  }
}

interface Result extends Reader {
  readonly content: Rendered | RenderRefusal
}

function previewOf(definition: Definition, results: readonly Result[]): Preview {
  const outputs: PreviewedOutput[] = []
  const silent: RefusedOutput[] = []
  const refused: RefusedOutput[] = []
  for (const { channel, provider, content } of results) {
    const by = { channel, providerId: provider?.id ?? null }
    if (!(content instanceof RenderRefusal)) outputs.push({ ...contentToSend(definition, { channel }, content), ...by })
    else if (content.isSilence) silent.push({ ...by, error: content.message })
    else refused.push({ ...by, error: content.message })
  }
  return { outputs, silent, refused }
}

function refuseUnshown({ outputs, silent, refused }: Preview, { channels, providerId, source }: CheckedPreview): void {
  const wanted = providerId !== null ? 'providerId' : channels !== null ? 'channels' : null
  const unshown = [...refused, ...silent]
  if (unshown.length === 0 || (wanted === null && outputs.length > 0)) return
  throw refusalOfOutputs(unshown, wanted ?? originOf(source))
}

/** The same to whom a preview without one of its outputs would not be whole. */
export function refuseUnrendered({ refused }: Preview, { source }: CheckedPreview): void {
  if (refused.length > 0) throw refusalOfOutputs(refused, originOf(source))
}

/** field: of the input, which leads there. */
function refusalOfOutputs(refused: readonly RefusedOutput[], field: string): Refusal {
  const issues = refused.map(({ channel, providerId, error }) => ({
    path: ['input', field],
    message: `${channel}${providerId === null ? '' : ` by '${providerId}'`}: ${error}`,
  }))
  return new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
}

const originOf = ({ kind }: PreviewSource) => (kind === 'message' ? 'messageId' : kind)

/** All at once: they are one batch of the threads, and take turns with messages of the same tenant. */
async function renderEach(parts: ShowingParts, occasion: Occasion, input: CheckedPreview): Promise<readonly Result[]> {
  const { db, builtIns, renderer, links, now } = parts
  const { environmentId, tenantId } = occasion
  const [[person], grounds] = await Promise.all([readPersons(db, [occasion]), readGrounds(db, builtIns, [environmentId])])
  const surroundings = await readSurroundings(db, grounds, [occasion], now())
  const situation = situationOf(occasion, person!, surroundings, parts)
  // Whoever looks at it wants to see where the links would stand, also where nobody is named.
  const urls = urlsOf({ ...occasion, userId: occasion.userId ?? 'preview' }, situation, links)
  const messageId = input.source.kind === 'message' ? input.source.id : newId('msg')
  const fairnessKey = fairnessOf(environmentId, tenantId)
  const { accounts } = situation.snapshot
  const { content } = occasion.definition
  return Promise.all(
    readersOf(input, content, accounts).map(async (reader): Promise<Result> => {
      const job = renderJobOf(reader, occasion, situation, urls, messageId)
      return { ...reader, content: await renderer.render(job, fairnessKey).catch(refusalOf) }
    }),
  )
}

const MOST_ACCOUNTS = 10

/** The account that is asked for, otherwise those of each channel. */
function readersOf({ channels, providerId }: CheckedPreview, content: Content, accounts: readonly Account[]): readonly Reader[] {
  if (providerId === null) return (channels ?? CHANNELS).flatMap((channel) => readersOn(channel, content, accounts))
  const account = accounts.find(({ id }) => id === providerId)
  if (account === undefined) throw notFound('provider', providerId)
  return [readerOf(account)]
}

/** Any account of the channel, and each that the content names and so may have words of its own for. */
function readersOn(channel: Channel, content: Content, accounts: readonly Account[]): readonly Reader[] {
  const named = audiencesIn(content)
  const own = accounts
    .filter((account) => account.channel === channel && account.enabled && (named.has(account.id) || named.has(account.kind)))
    .filter((account) => speaksOn(content, channel, account))
    .slice(0, MOST_ACCOUNTS)
    .map(readerOf)
  return own.length === 0 || speaksOn(content, channel) ? [{ channel, provider: null }, ...own] : own
}

const readerOf = ({ channel, id, kind }: Account): Reader => ({ channel, provider: { id, kind } })

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
      : await textOfTemplate(parts, environmentId, definition, source, input.data)
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
  const to = addresseeOf(addressed({ to: row.to as KeptRecipient, definition: kept }), input)
  const definition = { ...kept, brandId: input.brandId ?? kept.brandId }
  const data = input.data && deepMerge(kept.data, to.data ?? {})
  return {
    environmentId,
    userId: input.userId ?? userId,
    tenantId: input.tenantId ?? tenantId,
    topicId,
    listId,
    to,
    definition: await textSent(parts, environmentId, definition, version, data),
    ...timing(enqueuedAt),
  }
}

/**
 * @param wanted instead of the version that it was sent with
 * @param given its data with what is given over them, to be checked; null where nothing is given
 */
async function textSent(
  parts: ShowingParts,
  environmentId: string,
  kept: Definition,
  wanted: Wanted,
  given: JsonObject | null,
): Promise<Definition> {
  const path = ['input', wanted === 'draft' ? 'draft' : 'version']
  if (kept.template === undefined) {
    if (wanted === null) return kept
    throw badInput(path, 'The message was not sent with a template, so there is no other version of what it says.')
  }
  const { id, version } = kept.template
  const shown = wanted ?? version
  if (shown === null)
    throw badInput(path, `Nothing of the template '${id}' was published then: name a version, or ask for the draft.`)
  return under(kept, id, shown, await bodyFor(parts, environmentId, id, shown, given))
}

async function textOfTemplate(
  parts: ShowingParts,
  environmentId: string,
  definition: Definition,
  { id, version }: Extract<PreviewSource, { kind: 'template' }>,
  given: JsonObject | null,
): Promise<Definition> {
  const published = (await parts.versions.readPublished(parts.db, [{ environmentId, id }])).get(`${environmentId}\n${id}`)
  if (published === undefined) throw notFound('template', id)
  const shown = version ?? published
  if (shown === null) throw badInput(['input', 'template'], `Nothing of the template '${id}' is published: ask for its draft.`)
  const body = await bodyFor(parts, environmentId, id, shown, given)
  return under({ ...definition, topicId: body.topicId ?? null }, id, shown, body)
}

type Wanted = number | 'draft' | null

/** @param given data that are checked as a send's would be; null: they are not, so that a text can be seen without any */
async function bodyFor(
  parts: ShowingParts,
  environmentId: string,
  id: string,
  wanted: number | 'draft',
  given: JsonObject | null,
): Promise<TemplateDraft> {
  const body = await bodyOf(parts, environmentId, id, wanted)
  const unfit = given && body.dataSchema && (await refuseData(body.dataSchema, { definition: { data: given }, data: SILENT }))
  if (unfit) throw unfit
  return body
}

/** Whoever it is shown to says nothing of their own. */
const SILENT = [{ place: 0, data: null }]

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
