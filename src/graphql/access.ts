import { API_KEY_SCOPES, type ApiKeyScope, TOKEN_SCOPES, type TokenScope } from '../domain/actor.ts'
import type { Scopes } from './builder.ts'
import type { Context } from './context.ts'

/**
 * Who may see a field or a type: `may({ key: ['SEND'], token: ['INBOX_READ'] })`. Any one of them is enough. A field
 * without it is refused to everybody, and a test walks the schema for that.
 */
export function may(who: { readonly key?: readonly ApiKeyScope[]; readonly token?: readonly TokenScope[] }): {
  $any: Partial<Scopes>
} {
  const any: Partial<Scopes> = { key: [...(who.key ?? ['ADMIN'])] }
  if (who.token) any.token = [...who.token]
  return { $any: any }
}

/** What hangs on a message (its request, deliveries, events) is for those who may read messages, and for those who made it. */
export const OF_A_MESSAGE = may({
  key: ['MESSAGES_READ', 'MESSAGES_WRITE', 'SEND', 'BULK_WRITE'],
  token: ['MESSAGES_READ'],
})

/**
 * What a message says and to whom is for keys and for the user it is for. A token that merely names a request follows the
 * status and events of its messages.
 */
export function isOwnContent(message: { readonly userId: string | null }, { actor }: Context): boolean {
  return actor?.kind === 'key' || (actor !== null && message.userId !== null && message.userId === actor.userId)
}

/** Structure without a secret of its own: connections, edges, counts. Whoever may see the field that holds it may see it. */
export const OF_ITS_FIELD = may({ key: API_KEY_SCOPES, token: TOKEN_SCOPES })
