import { channelsInputOf, providersInputOf } from '../domain/channel-settings.ts'
import { deleteTemplate, publishTemplate, putTemplate, type TemplateDraft } from '../domain/template.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { ChannelsInput, ProviderSettingsInput } from './channel-settings.ts'
import { connectionOf, keyset, page, pageById } from './connection.ts'
import { Content, ContentInput, OF_CONTENT } from './content.ts'
import { actorOf, type Context, run } from './context.ts'
import { RoutingInput } from './routing.ts'
import { found } from './row.ts'

const FOR_EDITORS = may({ key: ['CONTENT_WRITE'] })

const MissingVariable = builder.enumType('MissingVariable', {
  description: 'What a variable does that leads nowhere. EMPTY: it prints nothing. FAIL: it fails the message, by its name.',
  values: ['EMPTY', 'FAIL'] as const,
})

/** number: null for the draft. body: read when it is first asked for, with those of others that are asked for at once. */
interface VersionShape {
  readonly number: number | null
  readonly publishedAt: Date | null
  body(): Promise<TemplateDraft> | TemplateDraft
}

const TemplateVersion = builder.objectRef<VersionShape>('TemplateVersion').implement({
  description: 'What a template says: its draft, or one that was published and is never changed.',
  authScopes: OF_CONTENT,
  fields: (t) => ({
    number: t.exposeInt('number', { nullable: true, description: 'Null for the draft.' }),
    content: t.field({ type: Content, resolve: async (version) => (await version.body()).content }),
    onMissingVariable: t.field({ type: MissingVariable, resolve: async (version) => (await version.body()).onMissing }),
    channels: t.field({
      type: 'JSONObject',
      nullable: true,
      description: 'Of the shape of ChannelsInput.',
      resolve: async (version) => {
        const { channels } = await version.body()
        return channels && channelsInputOf(channels)
      },
    }),
    providers: t.field({
      type: ['JSONObject'],
      nullable: true,
      description: 'Each of the shape of ProviderSettingsInput.',
      resolve: async (version) => {
        const { providers } = await version.body()
        return providers && providersInputOf(providers)
      },
    }),
    routing: t.field({
      type: 'JSONObject',
      nullable: true,
      description: 'Of the shape of RoutingInput.',
      resolve: async (version) => (await version.body()).routing,
    }),
    topicId: t.id({ nullable: true, resolve: async (version) => (await version.body()).topicId }),
    brandId: t.id({ nullable: true, resolve: async (version) => (await version.body()).brandId }),
    dataSchema: t.field({ type: 'JSONObject', nullable: true, resolve: async (version) => (await version.body()).dataSchema }),
    publishedAt: t.expose('publishedAt', { type: 'DateTime', nullable: true, description: 'When it was first published.' }),
  }),
})

const TemplateVersionConnection = connectionOf<VersionShape>('TemplateVersion', TemplateVersion)

const WITHOUT_BODY = { number: true, publishedAt: true } as const

function toVersion(context: Context, templateId: string, row: { number: number; publishedAt: Date }): VersionShape {
  let body: Promise<TemplateDraft> | undefined
  return {
    ...row,
    body() {
      body ??= readBody(context, templateId, row.number)
      return body
    },
  }
}

const placeOf = (context: Context, templateId: string, number: number) => ({
  environmentId_templateId_number: { environmentId: actorOf(context).environmentId, templateId, number },
})

/** Prisma makes one statement of those that are looked up at once. */
async function readBody(context: Context, templateId: string, number: number): Promise<TemplateDraft> {
  const where = placeOf(context, templateId, number)
  const row = await context.graph.prisma.templateVersion.findUnique({ where, select: { body: true } })
  return (await found(row, 'version', String(number))).body as unknown as TemplateDraft
}

async function readVersion(context: Context, templateId: string, number: number): Promise<VersionShape | null> {
  const where = placeOf(context, templateId, number)
  const row = await context.graph.prisma.templateVersion.findUnique({ where, select: WITHOUT_BODY })
  return row && toVersion(context, templateId, row)
}

/** Drafts may be large, and are read where they are asked for. */
const OF_A_LIST = { environmentId: true, id: true } as const

const Template = builder.prismaObject('Template', {
  description: 'Something to say, kept under an id that sends name. Its draft is edited; what sends use is published.',
  authScopes: OF_CONTENT,
  select: OF_A_LIST,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    tags: t.exposeStringList('tags', { description: 'For finding templates; messages do not get them.' }),
    draft: t.field({
      type: TemplateVersion,
      select: { draft: true },
      resolve: ({ draft }) => ({ number: null, body: () => draft as unknown as TemplateDraft, publishedAt: null }),
    }),
    published: t.field({
      type: TemplateVersion,
      nullable: true,
      description: 'What a send uses; null until first published.',
      select: { published: true },
      resolve: ({ id, published }, _args, context) => (published === null ? null : readVersion(context, id, published)),
    }),
    version: t.field({
      type: TemplateVersion,
      nullable: true,
      description: 'Null where there is no such version.',
      args: { number: t.arg.int({ required: true }) },
      resolve: ({ id }, { number }, context) => readVersion(context, id, number),
    }),
    versions: t.field({
      type: TemplateVersionConnection,
      description: 'Newest first, without the draft.',
      args: { first: t.arg.int({ defaultValue: 10 }), after: t.arg.string() },
      resolve: ({ environmentId, id }, args, context) => {
        const places = keyset<VersionShape>(context, `template/${id}/versions`, ({ number }) => [String(number)])
        return page(places, args, async (after, take) => {
          const older = after === null ? {} : { number: { lt: Number(after[0]) } }
          const rows = await context.graph.prisma.templateVersion.findMany({
            where: { environmentId, templateId: id, ...older },
            orderBy: { number: 'desc' },
            take,
            select: WITHOUT_BODY,
          })
          return rows.map((row) => toVersion(context, id, row))
        })
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last put or published.' }),
  }),
})

const TemplateConnection = connectionOf<typeof Template.$inferType>('Template', Template)

const TemplateInput = builder.inputType('TemplateInput', {
  description: 'A whole template: what is left out takes its default. Name and tags hold at once; the rest is the draft.',
  fields: (t) => ({
    name: t.string({ required: true }),
    tags: t.stringList({ description: 'At most 9 of at most 30 characters.' }),
    content: t.field({ type: ContentInput, required: true }),
    onMissingVariable: t.field({ type: MissingVariable, required: true, defaultValue: 'EMPTY' }),
    channels: t.field({ type: ChannelsInput, description: 'What a send says of a channel goes over it, setting by setting.' }),
    providers: t.field({
      type: [ProviderSettingsInput],
      description: 'What a send says of a provider account goes over it, setting by setting.',
    }),
    routing: t.field({ type: RoutingInput, description: "Over the environment's, under the send's." }),
    topicId: t.id({ description: 'Where the send names no other.' }),
    brandId: t.id({ description: "Under the send's and the tenants'." }),
    dataSchema: t.field({
      type: 'JSONObject',
      description: 'JSON Schema that the data must satisfy; checked when a send is accepted.',
    }),
  }),
})

/** One that was deleted is none. */
const thatIsThere = (context: Context, id: string) => ({
  where: { environmentId: actorOf(context).environmentId, id, deletedAt: null },
})

builder.queryFields((t) => ({
  template: t.prismaField({
    type: Template,
    nullable: true,
    description: 'Null where there is no such template.',
    authScopes: OF_CONTENT,
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) =>
      context.graph.prisma.template.findFirst({ ...query, ...thatIsThere(context, id) }),
  }),
  templates: t.field({
    type: TemplateConnection,
    description: 'By id.',
    authScopes: OF_CONTENT,
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, args, context) =>
      pageById(context, 'templates', args, ({ where, ...range }) =>
        context.graph.prisma.template.findMany({ where: { ...where, deletedAt: null }, ...range, select: OF_A_LIST }),
      ),
  }),
}))

/** A template as it is after a command. */
function readTemplate(context: Context, query: object, { id }: { readonly id: string }) {
  return found(context.graph.prisma.template.findFirst({ ...query, ...thatIsThere(context, id) }), 'template', id)
}

builder.mutationFields((t) => ({
  putTemplate: t.prismaField({
    type: Template,
    description: 'Makes a template, or replaces its name, tags and draft. Sends go on using what was published.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: TemplateInput, required: true }) },
    resolve: async (query, _root, args, context) =>
      readTemplate(context, query, (await run(context, 'putTemplate', putTemplate, args)).value),
  }),
  publishTemplate: t.prismaField({
    type: Template,
    description:
      'Publishes the draft as the next version, or an older version again. A draft that says what is published already makes no ' +
      'version. Where data that callers give today would not do any more, it is an error of status 409 that lists why.',
    authScopes: FOR_EDITORS,
    args: {
      id: t.arg.id({ required: true }),
      version: t.arg.int({ description: 'An older one; null: the draft.' }),
      force: t.arg.boolean({
        required: true,
        defaultValue: false,
        description: 'Although data that callers give today would not do any more.',
      }),
    },
    resolve: async (query, _root, args, context) =>
      readTemplate(context, query, (await run(context, 'publishTemplate', publishTemplate, args)).value),
  }),
  deleteTemplate: t.boolean({
    description:
      'Sends cannot name it any more; messages that were accepted before go on. False where there was none. Put again, it begins ' +
      'with nothing published, and its versions go on counting.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => (await run(context, 'deleteTemplate', deleteTemplate, { id })).value,
  }),
}))
