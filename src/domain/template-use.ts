import { notFound, Refusal } from '../errors.ts'
import type { Db } from '../store/database.ts'
import { type TemplateVersions, type VersionRef, versionKey } from '../store/template.ts'
import { type ChannelSettings, type ChannelsSettings, type ProviderSettings, said } from './channel-settings.ts'
import { deepMerge, type JsonObject } from './json.ts'
import type { CheckedSend, Definition } from './send.ts'
import type { TemplateDraft } from './template.ts'
import { refuseData } from './template-data.ts'

/** Something that may name a template. */
interface Naming {
  readonly environmentId: string
  readonly definition: Pick<Definition, 'template'>
}

/** What of a send its template has to do with. verdict: what was found of its data before it is settled. */
type Settling = Pick<CheckedSend, 'definition' | 'data'> & { readonly verdict?: Verdict }

/** What the data schema of a version says of the data of a send. refusal: null where they satisfy it. */
export interface Verdict {
  readonly version: number
  readonly refusal: Refusal | null
}

/** A send with its template's version whose data nobody held against the version's schema yet. */
export class Unjudged<S extends Settling> {
  readonly #settled: S
  readonly #version: number
  readonly #schema: JsonObject

  constructor(settled: S, version: number, schema: JsonObject) {
    this.#settled = settled
    this.#version = version
    this.#schema = schema
  }

  /** The send, or why it is refused. */
  async decide(): Promise<S | Refusal> {
    return (await refuseData(this.#schema, this.#settled)) ?? this.#settled
  }

  /** What to settle the send with once more. */
  async judge(): Promise<Verdict> {
    return { version: this.#version, refusal: await refuseData(this.#schema, this.#settled) }
  }
}

/**
 * Sends with the version of the template that they use from now on, whatever is published later, and the topic that it
 * brings. Those that name none come back as they are. Whatever their number, one statement reads what is published.
 *
 * Data are not checked here, since that may take long and others may wait for a transaction: a verdict by the version that
 * is published holds, and where there is none of it the send comes back unjudged.
 *
 * @returns for each the send, or why it is refused: NOT_FOUND for a template that is not there, BAD_USER_INPUT for data that
 * do not satisfy its schema
 */
export async function settleTemplates<S extends Settling>(
  db: Db,
  versions: TemplateVersions,
  sends: readonly { readonly environmentId: string; readonly input: S }[],
): Promise<readonly (S | Refusal | Unjudged<S>)[]> {
  const named = sends.flatMap(({ environmentId, input: { definition } }) =>
    definition.template === undefined ? [] : [{ environmentId, id: definition.template.id }],
  )
  const published = named.length === 0 ? new Map<string, number | null>() : await versions.readPublished(db, named)
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

/** The same for one send that nothing waits for, whose data are checked at once. */
export async function settleTemplate<S extends Settling>(
  db: Db,
  versions: TemplateVersions,
  send: { readonly environmentId: string; readonly input: S },
): Promise<S | Refusal> {
  const [settled] = await settleTemplates(db, versions, [send])
  return settled instanceof Unjudged ? settled.decide() : settled!
}

/** A verdict on a send by what its template last said, out of memory; undefined where it has no schema, or that is not known. */
export function foresee(versions: TemplateVersions, environmentId: string, input: Settling): Promise<Verdict> | undefined {
  const { template } = input.definition
  const last = template === undefined ? null : versions.lastPublished({ environmentId, id: template.id })
  const schema = (last?.body as TemplateDraft | undefined)?.dataSchema
  return schema && new Unjudged(input, last!.number, schema).judge()
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
function settleBy<S extends Settling>(input: S, { topicId, dataSchema }: TemplateDraft): S | Refusal | Unjudged<S> {
  const { definition, verdict } = input
  const settled = { ...input, definition: { ...definition, topicId: definition.topicId ?? topicId ?? null } }
  const version = definition.template!.version!
  if (dataSchema === undefined) return settled
  if (verdict?.version !== version) return new Unjudged(settled, version, dataSchema)
  return verdict.refusal ?? settled
}

/**
 * What messages share, with what the templates they name say under it, in their order. A process reads each version once.
 */
export async function readDefinitions(
  db: Db,
  versions: TemplateVersions,
  namings: readonly (Naming & { readonly definition: Definition })[],
): Promise<readonly Definition[]> {
  const bodies = await readBodies(db, versions, namings)
  return namings.map((naming) => {
    const body = bodyOf(bodies, naming)
    return body === undefined ? naming.definition : withTemplate(naming.definition, body)
  })
}

/** The version of the template that is named; undefined where none is. */
export async function readTemplateOf(db: Db, versions: TemplateVersions, naming: Naming): Promise<TemplateDraft | undefined> {
  return bodyOf(await readBodies(db, versions, [naming]), naming)
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
