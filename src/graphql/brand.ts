import { deleteBrand, type PutBrandInput, putBrand, type BrandSettingsInput as Settings } from '../domain/brand.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { connectionOf, pageById } from './connection.ts'
import { run } from './context.ts'
import { byId, found } from './row.ts'

type Colors = NonNullable<Settings['colors']>
type Logo = NonNullable<Settings['logo']>
type Email = NonNullable<Settings['email']>
type SnippetShape = NonNullable<PutBrandInput['snippets']>[number]

const OF_A_BRAND = may({ key: ['CONTENT_READ', 'CONTENT_WRITE', 'USERS_READ', 'USERS_WRITE'] })

const BrandColors = builder.objectRef<Colors>('BrandColors').implement({
  description: 'Of an email; a template sees them as brand.colors.',
  authScopes: OF_A_BRAND,
  fields: (t) => ({
    primary: t.exposeString('primary', { nullable: true }),
    secondary: t.exposeString('secondary', { nullable: true }),
    tertiary: t.exposeString('tertiary', { nullable: true }),
  }),
})

const BrandLogo = builder.objectRef<Logo>('BrandLogo').implement({
  description: 'The picture on top of an email.',
  authScopes: OF_A_BRAND,
  fields: (t) => ({
    url: t.exposeString('url'),
    href: t.exposeString('href', { nullable: true }),
    alt: t.exposeString('alt', { nullable: true }),
  }),
})

const BrandEmail = builder.objectRef<Email>('BrandEmail').implement({
  description: 'What stands around every email.',
  authScopes: OF_A_BRAND,
  fields: (t) => ({
    header: t.exposeString('header', { nullable: true }),
    footer: t.exposeString('footer', { nullable: true }),
    layout: t.exposeString('layout', { nullable: true }),
  }),
})

const BrandSettings = builder.objectRef<Settings>('BrandSettings').implement({
  description: 'How messages look.',
  authScopes: OF_A_BRAND,
  fields: (t) => ({
    colors: t.field({ type: BrandColors, nullable: true, resolve: ({ colors }) => colors ?? null }),
    logo: t.field({ type: BrandLogo, nullable: true, resolve: ({ logo }) => logo ?? null }),
    email: t.field({ type: BrandEmail, nullable: true, resolve: ({ email }) => email ?? null }),
    theme: t.field({
      type: 'JSONObject',
      nullable: true,
      description: 'CSS custom properties of the widgets.',
      resolve: ({ theme }) => theme ?? null,
    }),
  }),
})

const Snippet = builder.objectRef<SnippetShape>('Snippet').implement({
  description: 'A text with variables that others bring in by its name.',
  authScopes: OF_A_BRAND,
  fields: (t) => ({ name: t.exposeString('name'), value: t.exposeString('value') }),
})

export const Brand = builder.prismaObject('Brand', {
  description: 'How the messages of a tenant, a template or everybody look, and the snippets they share.',
  authScopes: OF_A_BRAND,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    settings: t.field({
      type: BrandSettings,
      select: { settings: true },
      resolve: ({ settings }) => settings as Settings,
    }),
    snippets: t.field({
      type: [Snippet],
      description: 'Its own; those of the brand default are seen from every brand as well.',
      select: { snippets: true },
      resolve: ({ snippets }) => snippets as unknown as SnippetShape[],
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const BrandConnection = connectionOf<typeof Brand.$inferType>('Brand', Brand)

const COLOR = '#rgb, #rrggbb, or one of the seventeen colour names of CSS 2.1.'
const TEXT = 'Markdown, a template like any text.'

const BrandColorsInput = builder.inputType('BrandColorsInput', {
  description: COLOR,
  fields: (t) => ({ primary: t.string(), secondary: t.string(), tertiary: t.string() }),
})

const BrandLogoInput = builder.inputType('BrandLogoInput', {
  description: 'Shown 140 pixels wide.',
  fields: (t) => ({
    url: t.string({ required: true, description: 'http or https.' }),
    href: t.string({ description: 'Where it leads: http or https.' }),
    alt: t.string({ description: 'What is read where it is not shown.' }),
  }),
})

const BrandEmailInput = builder.inputType('BrandEmailInput', {
  description: 'What stands around every email.',
  fields: (t) => ({
    header: t.string({ description: TEXT }),
    footer: t.string({ description: TEXT }),
    layout: t.string({
      description:
        'MJML around the whole mail, a template like any text. {{content}} is where the message goes: in mj-body or mj-wrapper, once. The logo, header and footer of the HTML are then its own.',
    }),
  }),
})

const BrandSettingsInput = builder.inputType('BrandSettingsInput', {
  description: 'How messages look.',
  fields: (t) => ({
    colors: t.field({ type: BrandColorsInput }),
    logo: t.field({ type: BrandLogoInput }),
    email: t.field({ type: BrandEmailInput }),
    theme: t.field({ type: 'JSONObject', description: 'CSS custom properties of the widgets: {"--accent": "#0a7"}.' }),
  }),
})

const SnippetInput = builder.inputType('SnippetInput', {
  description: 'A text with variables that others bring in by its name: {{> name}}.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Letters, digits, - or _; begins with a letter.' }),
    value: t.string({ required: true, description: 'A template, read where others bring it in.' }),
  }),
})

const BrandInput = builder.inputType('BrandInput', {
  description: 'A whole brand: what is left out takes its default.',
  fields: (t) => ({
    name: t.string({ required: true }),
    settings: t.field({ type: BrandSettingsInput }),
    snippets: t.field({ type: [SnippetInput] }),
  }),
})

builder.queryFields((t) => ({
  brand: t.prismaField({
    type: Brand,
    nullable: true,
    description: 'Null where there is no such brand.',
    authScopes: OF_A_BRAND,
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) => context.graph.prisma.brand.findFirst({ ...query, ...byId(context, id) }),
  }),
  brands: t.field({
    type: BrandConnection,
    description: 'In the order of their ids.',
    authScopes: OF_A_BRAND,
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, args, context) => pageById(context, 'brands', args, (range) => context.graph.prisma.brand.findMany(range)),
  }),
}))

builder.mutationFields((t) => ({
  putBrand: t.prismaField({
    type: Brand,
    description: 'Makes a brand, or replaces the whole of it. The brand with the id default holds where no other does.',
    authScopes: may({ key: ['CONTENT_WRITE'] }),
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: BrandInput, required: true }) },
    resolve: async (query, _root, { id, input }, context) => {
      await run(context, 'putBrand', putBrand, { id, ...input })
      return found(context.graph.prisma.brand.findFirst({ ...query, ...byId(context, id) }), 'brand', id)
    },
  }),
  deleteBrand: t.boolean({
    description:
      'False where there was none. Refused for the brand default, and for one that a tenant or a published template has.',
    authScopes: may({ key: ['CONTENT_WRITE'] }),
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => (await run(context, 'deleteBrand', deleteBrand, { id })).value,
  }),
}))
