import { notFound, Refusal } from '../errors.ts'
import type { Db } from '../store/database.ts'
import { readPublished, type TemplateVersions, type VersionRef, versionKey } from '../store/template.ts'
import { type ChannelSettings, type ChannelsSettings, type ProviderSettings, said } from './channel-settings.ts'
import { dataProblems } from './data-schema.ts'
import { deepMerge, type JsonObject } from './json.ts'
import type { CheckedSend, Definition } from './send.ts'
import type { TemplateDraft } from './template.ts'

/** Something that may name a template. */
interface Naming {
  readonly environmentId: string
  readonly definition: Definition
}

/** What of a send its template has to do with. */
type Settling = Pick<CheckedSend, 'definition' | 'data'>

/**
 * Sends with the version of the template that they use from now on, whatever is published later, and the topic that it
 * brings. Those that name none come back as they are. Whatever their number, one statement reads what is published.
 *
 * @returns for each the send, or why it is refused: NOT_FOUND for a template that is not there, BAD_USER_INPUT for data that
 * do not satisfy its schema
 */
export async function settleTemplates<S extends Settling>(
  db: Db,
  versions: TemplateVersions,
  sends: readonly { readonly environmentId: string; readonly input: S }[],
): Promise<readonly (S | Refusal)[]> {
  const named = sends.flatMap(({ environmentId, input: { definition } }) =>
    definition.template === undefined ? [] : [{ environmentId, id: definition.template.id }],
  )
  const published = await readPublished(db, named)
  const settled = sends.map(({ environmentId, input }) => settle(input, published.get(keyOf(environmentId, input))))
  const bodies = await readBodies(
    db,
    versions,
    settled.flatMap((one, index) => (one instanceof Refusal ? [] : [{ ...one, environmentId: sends[index]!.environmentId }])),
  )
  return settled.map((one, index) => {
    const body = one instanceof Refusal ? undefined : bodyOf(bodies, { ...one, environmentId: sends[index]!.environmentId })
    return one instanceof Refusal || body === undefined ? one : settleBy(one, body)
  })
}

const keyOf = (environmentId: string, { definition }: Settling) => `${environmentId}\n${definition.template?.id}`

/** published: undefined where there is no such template. */
function settle<S extends Settling>(input: S, published: number | null | undefined): S | Refusal {
  const { template } = input.definition
  if (template === undefined) return input
  if (published === undefined) return notFound('template', template.id)
  return { ...input, definition: { ...input.definition, template: { id: template.id, version: published } } }
}

/** The topic that holds is kept with the message: a later version does not move it to another. */
function settleBy<S extends Settling>(input: S, { topicId, dataSchema }: TemplateDraft): S | Refusal {
  const unfit = dataSchema && checkData(dataSchema, input)
  if (unfit) return unfit
  const { definition } = input
  return { ...input, definition: { ...definition, topicId: definition.topicId ?? topicId ?? null } }
}

/** Those who say nothing of their own are one to the schema. */
function checkData(schema: JsonObject, { definition, data }: Settling): Refusal | null {
  const silent = data.find((one) => one.data === null)
  const speaking = data.filter((one) => one.data !== null)
  for (const { place, data: own } of silent ? [silent, ...speaking] : speaking) {
    const problems = dataProblems(schema, own === null ? definition.data : deepMerge(definition.data, own))
    if (problems.length === 0) continue
    const issues = problems.map(({ path, message }) => ({
      path: [...(isOwn(own, definition.data, path[0]) ? ['input', 'to', place, 'data'] : ['input', 'data']), ...path],
      message,
    }))
    return new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
  }
  return null
}

/** Whether it is the recipient's part of the data where a problem is: what both leave out is looked for in the recipient's. */
function isOwn(own: JsonObject | null, shared: JsonObject, key: string | number | undefined): boolean {
  if (own === null) return false
  return key === undefined || Object.hasOwn(own, key) || !Object.hasOwn(shared, key)
}

/**
 * What messages share, with what the templates they name say under it, in their order. A process reads each version once.
 */
export async function readDefinitions(
  db: Db,
  versions: TemplateVersions,
  namings: readonly Naming[],
): Promise<readonly Definition[]> {
  const bodies = await readBodies(db, versions, namings)
  return namings.map((naming) => {
    const body = bodyOf(bodies, naming)
    return body === undefined ? naming.definition : withTemplate(naming.definition, body)
  })
}

/** The version that is named; null where none is. */
function refOf({ environmentId, definition: { template } }: Naming): VersionRef | null {
  return template == null || template.version === null ? null : { environmentId, id: template.id, number: template.version }
}

function readBodies(
  db: Db,
  versions: TemplateVersions,
  namings: readonly Naming[],
): Promise<ReadonlyMap<string, unknown>> | ReadonlyMap<string, unknown> {
  const refs = namings.flatMap((naming) => refOf(naming) ?? [])
  return refs.length === 0 ? new Map() : versions.read(db, refs)
}

function bodyOf(bodies: ReadonlyMap<string, unknown>, naming: Naming): TemplateDraft | undefined {
  const ref = refOf(naming)
  if (ref === null) return undefined
  const body = bodies.get(versionKey(ref))
  if (body === undefined) throw new Error(`Version ${ref.number} of the template '${ref.id}' is not there.`)
  return body as TemplateDraft
}

/**
 * A definition with its template under it. The template says the content. Of channels and accounts, what the message says
 * goes over what the template says: setting by setting, and within overrides and UTM parameters key by key. Routing and
 * brands stay apart, since the environment and the tenants have a say between or below.
 */
export function withTemplate(definition: Definition, { content, onMissing, ...body }: TemplateDraft): Definition {
  const { EMAIL, ...others } = body.channels ?? {}
  const { brandId: emailBrandId, ...email } = EMAIL ?? {}
  const under = body.channels && { ...others, ...(EMAIL && { EMAIL: email }) }
  return {
    ...definition,
    content,
    onMissing,
    ...said<Pick<Definition, 'channels' | 'providers' | 'under'>>({
      channels: mergeChannels(under, definition.channels),
      providers: mergeProviders(body.providers, definition.providers),
      under: said({ routing: body.routing, brandId: body.brandId, emailBrandId }),
    }),
  }
}

function mergeChannels(under: ChannelsSettings | undefined, over: ChannelsSettings | undefined): ChannelsSettings | undefined {
  if (under === undefined || over === undefined) return over ?? under
  const names = Object.keys({ ...under, ...over }) as (keyof ChannelsSettings)[]
  return Object.fromEntries(names.map((name) => [name, mergeChannel(under[name] ?? {}, over[name] ?? {})]))
}

function mergeChannel(under: ChannelSettings, over: ChannelSettings): ChannelSettings {
  const nested = said<Pick<ChannelSettings, 'utm' | 'override'>>({
    utm: mergeKeys(under.utm, over.utm),
    override: mergeKeys(under.override, over.override),
  })
  return { ...under, ...over, ...nested }
}

/** In the template's order, then those that the message alone names. */
function mergeProviders(
  under: readonly ProviderSettings[] | undefined,
  over: readonly ProviderSettings[] | undefined,
): readonly ProviderSettings[] | undefined {
  if (under === undefined || over === undefined) return over ?? under
  const said = new Map(over.map((one) => [one.providerId, one]))
  const named = new Set(under.map(({ providerId }) => providerId))
  return [
    ...under.map((one) => mergeProvider(one, said.get(one.providerId))),
    ...over.filter(({ providerId }) => !named.has(providerId)),
  ]
}

/** An account's override goes over its request in objects key by key, so it does so over another override. */
function mergeProvider(under: ProviderSettings, over: ProviderSettings | undefined): ProviderSettings {
  if (over === undefined) return under
  const nested = said<Pick<ProviderSettings, 'utm' | 'override'>>({
    utm: mergeKeys(under.utm, over.utm),
    override: under.override && over.override ? deepMerge(under.override, over.override) : (over.override ?? under.override),
  })
  return { ...under, ...over, ...nested }
}

function mergeKeys<T extends object>(under: T | undefined, over: T | undefined): T | undefined {
  return under === undefined || over === undefined ? (over ?? under) : { ...under, ...over }
}
