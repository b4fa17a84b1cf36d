import SchemaBuilder from '@pothos/core'
import PrismaPlugin from '@pothos/plugin-prisma'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import type { ApiKeyScope, TokenScope } from '../domain/actor.ts'
import { Refusal } from '../errors.ts'
import type PrismaTypes from '../generated/pothos.ts'
import { getDatamodel } from '../generated/pothos.ts'
import type { Context } from './context.ts'
import { ContentElement, DateTime, Duration, Json, JsonObject, TimeZone } from './scalars.ts'

/** Who may see a field: keys with any of these scopes (ADMIN is all of them), user tokens with any of those. */
export interface Scopes {
  key: ApiKeyScope[]
  token: TokenScope[]
}

export const builder = new SchemaBuilder<{
  Context: Context
  PrismaTypes: PrismaTypes
  AuthScopes: Scopes
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    ContentElement: { Input: Record<string, unknown>; Output: unknown }
    DateTime: { Input: Date; Output: Date | string }
    Duration: { Input: string; Output: string }
    JSON: { Input: unknown; Output: unknown }
    JSONObject: { Input: Record<string, unknown>; Output: unknown }
    TimeZone: { Input: string; Output: string }
  }
}>({
  plugins: [ScopeAuthPlugin, PrismaPlugin],
  defaultFieldNullability: false,
  prisma: { client: (context) => context.graph.prisma, dmmf: getDatamodel(), onUnusedQuery: null },
  scopeAuth: {
    // Otherwise a subscription is let in, and every event of it refused.
    authorizeOnSubscribe: true,
    authScopes: ({ actor }) => ({
      key: (scopes) =>
        actor?.kind === 'key' && (actor.scopes.includes('ADMIN') || scopes.some((scope) => actor.scopes.includes(scope))),
      token: (scopes) => actor?.kind === 'token' && scopes.some((scope) => actor.scopes.includes(scope)),
    }),
    unauthorizedError: (_parent, { actor }) =>
      actor === null
        ? new Refusal('UNAUTHENTICATED', 'This needs a valid API key or user token: Authorization: Bearer <key>.')
        : new Refusal('FORBIDDEN', 'This credential does not have the scope for that.'),
    // Which scopes hold depends on nothing but the actor.
    cacheKey: JSON.stringify,
  },
})

builder.addScalarType('ContentElement', ContentElement)
builder.addScalarType('DateTime', DateTime)
builder.addScalarType('Duration', Duration)
builder.addScalarType('JSON', Json)
builder.addScalarType('JSONObject', JsonObject)
builder.addScalarType('TimeZone', TimeZone)

builder.queryType({ description: 'Everything that can be read.' })
builder.mutationType({
  description: 'Everything that can be changed. Idempotency-Key holds for a mutation that stands alone in its document.',
})
builder.subscriptionType({ description: 'What happens, live: over WebSocket (graphql-transport-ws) or server-sent events.' })
