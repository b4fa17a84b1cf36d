import { addTenantMember, deleteTenant, putTenant, removeTenantMember } from '../domain/tenant.ts'
import type { TopicPreference as KeptPreference } from '../domain/topic-preference.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { may } from './access.ts'
import { Brand } from './brand.ts'
import { builder } from './builder.ts'
import { connectionOf, keyset, type PageArgs, page, pageById } from './connection.ts'
import { actorOf, type Context, run } from './context.ts'
import { byId, found } from './row.ts'
import { TopicPreference, TopicPreferenceInput, topicPreferencesOf } from './topic.ts'
import { User } from './user.ts'

const OF_A_TENANT = may({ key: ['USERS_READ', 'USERS_WRITE'] })
const FOR_EDITORS = may({ key: ['USERS_WRITE'] })

export const Tenant = builder.prismaObject('Tenant', {
  description: 'A customer of yours with users of its own, or a part of one.',
  authScopes: OF_A_TENANT,
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    parent: t.relation('parent', { nullable: true }),
    brand: t.field({
      type: Brand,
      nullable: true,
      description: "Its own, without its parents'.",
      resolve: ({ environmentId, brandId }, _args, { graph }) =>
        brandId === null ? null : graph.prisma.brand.findUnique({ where: { environmentId_id: { environmentId, id: brandId } } }),
    }),
    properties: t.expose('properties', { type: 'JSONObject', description: 'In the context of what is sent in the tenant.' }),
    profile: t.expose('profile', { type: 'JSONObject', description: "Under every member's own." }),
    defaultPreferences: t.field({
      type: [TopicPreference],
      description: "Its own, without its parents'.",
      resolve: (tenant, _args, context) => topicPreferencesOf(context, tenant.defaultPreferences as unknown as KeptPreference[]),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const TenantMember = builder.prismaObject('TenantMember', {
  description: 'A user in a tenant.',
  authScopes: OF_A_TENANT,
  fields: (t) => ({
    id: t.id({ description: 'Opaque.', resolve: ({ tenantId, userId }) => opaque(tenantId, userId) }),
    tenant: t.relation('tenant'),
    user: t.relation('user', { type: User }),
    profile: t.expose('profile', { type: 'JSONObject', description: "In the tenant it stands over the user's own." }),
  }),
})

function opaque(...parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

type TenantShape = typeof Tenant.$inferType
type MemberShape = typeof TenantMember.$inferType

const TenantConnection = connectionOf<TenantShape>('Tenant', Tenant)
const TenantMemberConnection = connectionOf<MemberShape>('TenantMember', TenantMember)

/** By id. parentId: only the children of that tenant. */
function tenantPage(context: Context, parentId: string | null, args: PageArgs) {
  const under: Prisma.TenantWhereInput = parentId === null ? {} : { parentId }
  return pageById(context, `tenants/${parentId ?? ''}`, args, ({ where, ...range }) =>
    context.graph.prisma.tenant.findMany({ where: { ...where, ...under }, ...range }),
  )
}

/** Of one tenant by user id, or of one user by tenant id. */
function memberPage(context: Context, of: { readonly tenantId: string } | { readonly userId: string }, args: PageArgs) {
  const { environmentId } = actorOf(context)
  const by = 'tenantId' in of ? 'userId' : 'tenantId'
  const places = keyset<MemberShape>(context, `members/${opaque(...Object.entries(of).flat())}`, (member) => [member[by]])
  return page(places, args, (after, take) =>
    context.graph.prisma.tenantMember.findMany({
      where: { environmentId, ...of, [by]: { gt: after?.[0] ?? '' } },
      orderBy: { [by]: 'asc' },
      take,
    }),
  )
}

builder.prismaObjectFields(Tenant, (t) => ({
  children: t.field({
    type: TenantConnection,
    description: 'By id.',
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: ({ id }, args, context) => tenantPage(context, id, args),
  }),
  members: t.field({
    type: TenantMemberConnection,
    description: 'By user id; without those of its children.',
    args: { first: t.arg.int({ defaultValue: 50 }), after: t.arg.string() },
    resolve: ({ id }, args, context) => memberPage(context, { tenantId: id }, args),
  }),
}))

builder.prismaObjectFields(User, (t) => ({
  tenants: t.field({
    type: TenantMemberConnection,
    description: 'Those the user is a member of, by id.',
    authScopes: OF_A_TENANT,
    args: { first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: ({ id }, args, context) => memberPage(context, { userId: id }, args),
  }),
}))

const TenantInput = builder.inputType('TenantInput', {
  description: "A whole tenant: what is left out takes its default. profile: under every member's own.",
  fields: (t) => ({
    name: t.string({ required: true }),
    parentId: t.id(),
    brandId: t.id(),
    properties: t.field({ type: 'JSONObject' }),
    profile: t.field({ type: 'JSONObject' }),
    defaultPreferences: t.field({ type: [TopicPreferenceInput] }),
  }),
})

builder.queryFields((t) => ({
  tenant: t.prismaField({
    type: Tenant,
    nullable: true,
    description: 'Null where there is no such tenant.',
    authScopes: OF_A_TENANT,
    args: { id: t.arg.id({ required: true }) },
    resolve: (query, _root, { id }, context) => context.graph.prisma.tenant.findFirst({ ...query, ...byId(context, id) }),
  }),
  tenants: t.field({
    type: TenantConnection,
    description: 'By id. parentId: only the children of that tenant; absent: all, at every level.',
    authScopes: OF_A_TENANT,
    args: { parentId: t.arg.id(), first: t.arg.int({ defaultValue: 20 }), after: t.arg.string() },
    resolve: (_root, { parentId, ...args }, context) => tenantPage(context, parentId ?? null, args),
  }),
}))

builder.mutationFields((t) => ({
  putTenant: t.prismaField({
    type: Tenant,
    description: 'Creates or replaces a tenant; its members and children stay. Only the four levels from a leaf up have a say.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: TenantInput, required: true }) },
    resolve: async (query, _root, args, context) => {
      const { value } = await run(context, 'putTenant', putTenant, args)
      return found(context.graph.prisma.tenant.findFirst({ ...query, ...byId(context, value.id) }), 'tenant', value.id)
    },
  }),
  deleteTenant: t.boolean({
    description:
      'With its members and what was chosen in it; the users stay. False where there was none; CONFLICT with children.',
    authScopes: FOR_EDITORS,
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, args, context) => (await run(context, 'deleteTenant', deleteTenant, args)).value,
  }),
  addTenantMember: t.prismaField({
    type: TenantMember,
    description: "Adds, or replaces the member's profile. The user is made when missing.",
    authScopes: FOR_EDITORS,
    args: {
      tenantId: t.arg.id({ required: true }),
      userId: t.arg.id({ required: true }),
      profile: t.arg({ type: 'JSONObject' }),
    },
    resolve: async (query, _root, args, context) => {
      const { value } = await run(context, 'addTenantMember', addTenantMember, args)
      const { environmentId } = actorOf(context)
      const reading = context.graph.prisma.tenantMember.findFirst({ ...query, where: { environmentId, ...value } })
      return found(reading, 'member', value.userId)
    },
  }),
  removeTenantMember: t.boolean({
    description: 'The user stays. False where they were no member.',
    authScopes: FOR_EDITORS,
    args: { tenantId: t.arg.id({ required: true }), userId: t.arg.id({ required: true }) },
    resolve: async (_root, args, context) => (await run(context, 'removeTenantMember', removeTenantMember, args)).value,
  }),
}))
