import { badInput, notFound, Refusal } from '../errors.ts'
import type { Content } from '../render/element.ts'
import type { MissingVariable } from '../render/job.ts'
import { findMissing, type Reference } from '../store/reference.ts'
import { holdRow } from '../store/row.ts'
import { lockTemplate, markDeleted, publish, putDraft, readVersion, type TemplateRow } from '../store/template.ts'
import {
  type ChannelsInput,
  type ChannelsSettings,
  checkChannels,
  checkProviderSettings,
  type ProviderSettings,
  type ProviderSettingsInput,
  said,
} from './channel-settings.ts'
import type { Command, Scope } from './command.ts'
import { checkDataSchema } from './data-schema.ts'
import { breakingChanges } from './data-schema-change.ts'
import { checkId, checkName } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'
import { checkRouting, type Routing, type RoutingInput } from './routing.ts'
import { type ContentInput, checkContent, checkTags, missing } from './send.ts'

export interface TemplateInput {
  readonly name: string
  readonly tags?: readonly string[] | null
  readonly content: ContentInput
  readonly onMissingVariable: MissingVariable
  readonly channels?: ChannelsInput | null
  readonly providers?: readonly ProviderSettingsInput[] | null
  readonly routing?: RoutingInput | null
  readonly topicId?: string | null
  readonly brandId?: string | null
  readonly dataSchema?: JsonObject | null
}

/** What a template says, as its draft and each of its versions keep it. What was not said is absent. */
export interface TemplateDraft {
  readonly content: Content
  readonly onMissing: MissingVariable
  readonly channels?: ChannelsSettings
  readonly providers?: readonly ProviderSettings[]
  readonly routing?: Routing
  readonly topicId?: string
  readonly brandId?: string
  /** JSON Schema that the data of whoever sends it must satisfy. */
  readonly dataSchema?: JsonObject
}

/**
 * Makes a template, or replaces the whole of its draft. Name and tags hold at once; sends go on using the version that was
 * published. One that was deleted is made anew: nothing of it is published, and its versions go on counting.
 *
 * @throws Refusal BAD_USER_INPUT with the path of the fault, NOT_FOUND for a topic or brand
 */
export const putTemplate: Command<{ id: string; input: TemplateInput }, { id: string }> = async (scope, { id, input }) => {
  const { environmentId } = scope.actor
  checkId(id, ['id'])
  checkName(input.name, ['input', 'name'])
  const tags = checkTags(input.tags ?? [], ['input', 'tags'])
  const draft = draftOf(input, scope)
  const [lacking] = await findMissing(scope.tx, referencesOf(environmentId, draft))
  if (lacking) throw missing(lacking)
  await putDraft(scope.tx, { environmentId, id, name: input.name, tags, draft, now: scope.now })
  return { id }
}

function draftOf(input: TemplateInput, { guard }: Pick<Scope, 'guard'>): TemplateDraft {
  const { content, onMissingVariable: onMissing, channels, providers, routing, topicId, brandId, dataSchema } = input
  for (const [name, one] of Object.entries({ topicId, brandId })) if (one != null) checkId(one, ['input', name])
  if (dataSchema != null) {
    checkSize(dataSchema, ['input', 'dataSchema'])
    const wrong = checkDataSchema(dataSchema)
    if (wrong !== null) throw badInput(['input', 'dataSchema'], wrong)
  }
  return said<TemplateDraft>({
    content: checkContent(content, ['input', 'content']),
    onMissing,
    channels: channels && checkChannels(channels, ['input', 'channels'], guard),
    providers: providers && checkProviderSettings(providers, ['input', 'providers']),
    routing: routing && checkRouting(routing, ['input', 'routing']),
    topicId,
    brandId,
    dataSchema,
  })
}

function referencesOf(environmentId: string, { topicId, brandId, channels }: TemplateDraft): readonly Reference[] {
  const named: readonly [Reference['kind'], string | undefined][] = [
    ['topic', topicId],
    ['brand', brandId],
    ['brand', channels?.EMAIL?.brandId],
  ]
  return named.flatMap(([kind, id]) => (id === undefined ? [] : [{ environmentId, kind, id }]))
}

export interface PublishTemplateInput {
  readonly id: string
  /** An older one; null: the draft. */
  readonly version?: number | null
  /** Although data that callers give today would be refused. */
  readonly force: boolean
}

/**
 * Makes the draft the next version, which nothing changes any more, or an older version the one that sends use. Where the
 * published version says what the draft says there is nothing to publish and no new version, so that whoever deploys their
 * templates again and again makes none.
 *
 * @throws Refusal NOT_FOUND for the template, its version, or a topic or brand that is gone; CONFLICT where data that
 * satisfies the published version would be refused or ignored, unless forced
 */
export const publishTemplate: Command<PublishTemplateInput, { id: string }> = async (scope, { id, version, force }) => {
  const { environmentId } = scope.actor
  const template = await lockTemplate(scope.tx, environmentId, id)
  if (template === null) throw notFound('template', id)
  const now = await versionOf(scope, id, template.published)
  const next = version == null ? (template.draft as TemplateDraft) : await versionOf(scope, id, version)
  if (next === null) throw new Refusal('NOT_FOUND', `The template '${id}' has no version ${version}.`)
  if (version == null ? isSame(now, next) : version === template.published) return { id }
  for (const reference of referencesOf(environmentId, next)) {
    if (!(await holdRow(scope.tx, reference.kind, environmentId, reference.id))) throw missing(reference)
  }
  if (now !== null && !force) refuseBreaking(now, next)
  const number = version ?? template.newest + 1
  await publish(scope.tx, { environmentId, id, number, now: scope.now, ...(version == null && { body: next }) })
  return { id }
}

async function versionOf({ tx, actor }: Scope, id: string, number: TemplateRow['published']): Promise<TemplateDraft | null> {
  if (number === null) return null
  return (await readVersion(tx, { environmentId: actor.environmentId, id, number })) as TemplateDraft | null
}

/** Both as PostgreSQL keeps them, which puts an object's keys in an order of its own. */
const isSame = (a: TemplateDraft | null, b: TemplateDraft) => JSON.stringify(a) === JSON.stringify(b)

function refuseBreaking(now: TemplateDraft, next: TemplateDraft): void {
  const changes = breakingChanges(now.dataSchema ?? null, next.dataSchema ?? null)
  if (changes.length === 0) return
  throw new Refusal(
    'CONFLICT',
    `Data that callers give today would not do any more. ${changes.join(' ')} Publish with force: true once they give what is asked for.`,
    { issues: changes.map((message) => ({ path: ['force'], message })) },
  )
}

/**
 * False where there was none. Sends cannot name it any more; messages that were accepted before go on with the version that
 * they were accepted with.
 */
export const deleteTemplate: Command<{ readonly id: string }, boolean> = (scope, { id }) =>
  markDeleted(scope.tx, scope.actor.environmentId, id, scope.now)
