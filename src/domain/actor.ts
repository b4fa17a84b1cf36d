/** Who asks, and in which environment. Everything a caller may do follows from this value alone. */

export const API_KEY_SCOPES = [
  'ADMIN',
  'SEND',
  'BULK_WRITE',
  'MESSAGES_READ',
  'MESSAGES_WRITE',
  'USERS_READ',
  'USERS_WRITE',
  'INBOX_READ',
  'INBOX_WRITE',
  'CONTENT_READ',
  'CONTENT_WRITE',
  'CONFIG_READ',
  'CONFIG_WRITE',
  'TOKENS_ISSUE',
] as const
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number]

export const TOKEN_SCOPES = [
  'INBOX_READ',
  'INBOX_WRITE',
  'PREFERENCES_READ',
  'PREFERENCES_WRITE',
  'DEVICE_TOKENS_WRITE',
  'MESSAGES_READ',
] as const
export type TokenScope = (typeof TOKEN_SCOPES)[number]

export type Mode = 'LIVE' | 'SIMULATE'

export interface KeyActor {
  readonly kind: 'key'
  readonly environmentId: string
  readonly keyId: string
  readonly scopes: readonly ApiKeyScope[]
  readonly mode: Mode
}

export interface TokenActor {
  readonly kind: 'token'
  readonly environmentId: string
  /** The user it speaks for; null where it only follows requests and jobs. */
  readonly userId: string | null
  readonly tenantId: string | null
  readonly requestIds: readonly string[]
  readonly jobIds: readonly string[]
  readonly scopes: readonly TokenScope[]
  readonly expiresAt: Date
}

export type Actor = KeyActor | TokenActor
