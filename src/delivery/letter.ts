import { LRUCache } from 'lru-cache'
import type { Channel } from '../channels/provider.ts'
import { type Account, accountsOf, type BuiltInAccount, openSettings } from '../domain/account.ts'
import type { Vault } from '../domain/command.ts'
import { keysPlace } from '../domain/device-token.ts'
import { deliveryId } from '../domain/id.ts'
import type { PlannedToken, Snapshot, Step } from '../domain/plan.ts'
import type { RecipientInput } from '../domain/recipient.ts'
import type { Attempt } from '../domain/route.ts'
import type { Definition } from '../domain/send.ts'
import type { Db } from '../store/database.ts'
import { groupWrites } from '../store/group.ts'
import { type DeliveryRow, type LetterRow, type MessageRef, readLetters, type TokenRow } from '../store/letter.ts'
import type { Kept } from '../store/record.ts'

/** A message as its journey sees it. */
export interface Letter {
  readonly row: LetterRow
  readonly definition: Definition
  readonly accounts: readonly Account[]
  readonly snapshot: Snapshot
  /** Ids of device tokens left out of the snapshot, since their keys do not open: sealed with a secret that is gone. */
  readonly sealedTokens: readonly string[]
  /** By turn. */
  readonly deliveries: ReadonlyMap<string, KnownDelivery>
}

/** A delivery so far; attempts oldest first. */
export interface KnownDelivery {
  readonly id: string
  readonly turn: string
  readonly channel: Channel
  readonly providerId: string
  /** Its address's id. */
  readonly address: string
  readonly startedAt: Date
  readonly nextAttemptAt: Date | null
  readonly attempts: readonly Attempt[]
}

export interface LetterParts {
  readonly db: Db
  readonly vault: Vault
  readonly builtIns: readonly BuiltInAccount[]
  readonly now: () => Date
}

export interface Letters {
  /** Null where the message is no more. Reads coalesce: those asked for at once are one statement. */
  read(ref: MessageRef): Promise<Letter | null>
  /** An account's settings, its secrets opened. */
  settingsOf(account: Account): unknown
}

export function createLetters(parts: LetterParts): Letters {
  const opened = new LRUCache<string, Record<string, unknown>>({ max: 1_000 })

  const settingsOf = (account: Account): unknown => {
    if (account.row === null) return parts.builtIns.find((builtIn) => builtIn.account.id === account.id)!.settings
    const version = `${account.row.environment_id}\n${account.id}\n${account.row.updated_at.getTime()}\n${account.row.secrets}`
    const settings = opened.get(version) ?? openSettings(parts.vault, account.row)
    opened.set(version, settings)
    return settings
  }

  const read = groupWrites<MessageRef, Letter | null>(
    async (refs) => {
      const { letters, accounts } = await readLetters(parts.db, refs)
      const byEnvironment = new Map<string, readonly Account[]>()
      for (const { environmentId } of refs) {
        const own = accounts.filter((account) => account.environment_id === environmentId)
        if (!byEnvironment.has(environmentId)) byEnvironment.set(environmentId, accountsOf(own, parts.builtIns))
      }
      const now = parts.now()
      return refs.map((ref) => {
        const row = letters.get(ref.messageId)
        return row ? toLetter(row, byEnvironment.get(ref.environmentId)!, parts.vault, now) : null
      })
    },
    { maxSize: 200, repeatable: () => true },
  )
  return { read, settingsOf }
}

function toLetter(row: LetterRow, accounts: readonly Account[], vault: Vault, now: Date): Letter {
  const tokens = row.tokens ?? []
  const deviceTokens = tokens.flatMap((token) => toToken(row, token, vault) ?? [])
  const snapshot: Snapshot = {
    to: row.to as RecipientInput,
    userId: row.userId,
    profile: row.profile ?? {},
    deviceTokens,
    accounts,
    now,
  }
  const sealedTokens = tokens.map(({ id }) => id).filter((id) => !deviceTokens.some((token) => token.id === id))
  const deliveries = new Map((row.deliveries ?? []).map(toDelivery).map((delivery) => [delivery.turn, delivery]))
  return { row, definition: row.definition as unknown as Definition, accounts, snapshot, sealedTokens, deliveries }
}

/** Null where its keys do not open. */
function toToken(row: LetterRow, token: TokenRow, vault: Vault): PlannedToken | null {
  const keys = openKeys(row, token, vault)
  if (keys === undefined) return null
  return {
    id: token.id,
    kind: token.kind,
    token: token.token,
    providerId: token.providerId,
    keys,
    expiresAt: dateOf(token.expiresAt),
  }
}

/** Undefined where they do not open. */
function openKeys(row: LetterRow, token: TokenRow, vault: Vault): PlannedToken['keys'] | undefined {
  if (token.keys === null) return null
  try {
    return JSON.parse(vault.open(token.keys, keysPlace(row.environmentId, row.userId ?? '', token.tokenHash)))
  } catch {
    return undefined
  }
}

/** A step's delivery before its first attempt. Its id follows from what it is, so that every worker gives it the same. */
export function newDelivery(letter: Letter, { channel, providerId, address }: Step, startedAt: Date): KnownDelivery {
  return {
    id: deliveryId(letter.row.id, providerId, address.id),
    turn: turnOf(providerId, address.id),
    channel,
    providerId,
    address: address.id,
    startedAt,
    nextAttemptAt: null,
    attempts: [],
  }
}

/** Names a step's turn within a message: an account and an address. */
export function turnOf(providerId: string, address: string): string {
  return `${providerId}\n${address}`
}

function toDelivery(row: DeliveryRow): KnownDelivery {
  return {
    id: row.id,
    turn: turnOf(row.providerId, row.address),
    channel: row.channel,
    providerId: row.providerId,
    address: row.address,
    startedAt: new Date(row.startedAt),
    nextAttemptAt: dateOf(row.nextAttemptAt),
    attempts: (row.attempts as Kept<Attempt>[]).map(toAttempt),
  }
}

function toAttempt(kept: Kept<Attempt>): Attempt {
  return { ...kept, startedAt: new Date(kept.startedAt), endedAt: dateOf(kept.endedAt) }
}

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text))
