import { LRUCache } from 'lru-cache'
import type { Channel } from '../channels/provider.ts'
import { type Account, type BuiltInAccount, openSettings } from '../domain/account.ts'
import type { Vault } from '../domain/command.ts'
import { deliveryId } from '../domain/id.ts'
import { trackingOf } from '../domain/message-tracking.ts'
import type { Step } from '../domain/plan.ts'
import { renderJobOf } from '../domain/rendering.ts'
import type { Attempt } from '../domain/route.ts'
import type { Definition } from '../domain/send.ts'
import {
  type KeptRecipient,
  type Occasion,
  readGrounds,
  readSurroundings,
  type Situation,
  situationOf,
} from '../domain/situation.ts'
import { readDefinitions } from '../domain/template-use.ts'
import type { TrackingLinks } from '../domain/tracking-link.ts'
import { NO_TRACKING, type RenderJob } from '../render/job.ts'
import type { Urls } from '../render/urls.ts'
import type { Db } from '../store/database.ts'
import { groupWrites } from '../store/group.ts'
import { type DeliveryRow, type LetterRow, type MessageRef, readLetters } from '../store/letter.ts'
import type { Kept } from '../store/record.ts'
import type { TemplateVersions } from '../store/template.ts'

/** A message as its journey sees it. */
export interface Letter {
  readonly row: LetterRow
  readonly occasion: Occasion
  readonly accounts: readonly Account[]
  readonly situation: Situation
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
  readonly versions: TemplateVersions
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
      const [rows, grounds] = await Promise.all([
        readLetters(parts.db, refs),
        readGrounds(
          parts.db,
          parts.builtIns,
          refs.map(({ environmentId }) => environmentId),
        ),
      ])
      const definitions = await readDefinitions(parts.db, parts.versions, [...rows.values()].map(asKept))
      const occasions = new Map([...rows.values()].map((row, index) => [row.id, occasionOf(row, definitions[index]!)]))
      const surroundings = await readSurroundings(parts.db, grounds, [...occasions.values()], parts.now())
      return refs.map(({ messageId }) => {
        const row = rows.get(messageId)
        if (row === undefined) return null
        const occasion = occasions.get(messageId)!
        return toLetter(row, occasion, situationOf(occasion, row, surroundings, parts))
      })
    },
    { maxSize: 200, repeatable: () => true },
  )
  return { read, settingsOf }
}

const asKept = ({ environmentId, definition }: LetterRow) => ({
  environmentId,
  definition: definition as unknown as Definition,
})

function occasionOf(row: LetterRow, definition: Definition): Occasion {
  const { environmentId, userId, tenantId, topicId, listId, enqueuedAt, scheduledFor, countedAt } = row
  const timing = { enqueuedAt, scheduledFor, isCounted: countedAt !== null, isUnderWay: (row.deliveries ?? []).length > 0 }
  return { environmentId, userId, tenantId, topicId, listId, to: row.to as KeptRecipient, definition, ...timing }
}

function toLetter(row: LetterRow, occasion: Occasion, situation: Situation): Letter {
  const deliveries = new Map((row.deliveries ?? []).map(toDelivery).map((delivery) => [delivery.turn, delivery]))
  return { row, occasion, accounts: situation.snapshot.accounts, situation, deliveries }
}

/** What is to be rendered of it for a step's account. */
export function jobFor(letter: Letter, { channel, providerId, kind }: Step, urls: Urls, links: TrackingLinks): RenderJob {
  const { row, occasion, situation } = letter
  const { id: messageId, environmentId, mode, recipient } = row
  const place = { environmentId, messageId, channel, providerId }
  const tracked = mode === 'SIMULATE' ? NO_TRACKING : trackingOf(place, situation.tracking, links)
  return renderJobOf({ channel, provider: { id: providerId, kind } }, occasion, situation, urls, messageId, {
    recipient,
    tracked,
  })
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

/** The delivery of the newest attempt. Of those that stand last where their newest attempts began in the same millisecond. */
export function newestOf(deliveries: readonly KnownDelivery[]): KnownDelivery | null {
  const startOf = (delivery: KnownDelivery) => delivery.attempts.at(-1)?.startedAt.getTime() ?? 0
  return deliveries.reduce<KnownDelivery | null>((a, b) => (a === null || startOf(b) >= startOf(a) ? b : a), null)
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
