import type { Channel, EventStream, MessageReason, MessageStatus } from '../generated/tables.ts'

/** Something that happened, before the log has given it its position. It holds no profile, data or content. */
export interface NewEvent {
  readonly environmentId: string
  readonly stream: EventStream
  /** A MessageEventType or an InboxEventType of the contract. */
  readonly type: string
  readonly at: Date
  readonly messageId: string | null
  readonly requestId: string | null
  readonly jobId: string | null
  readonly userId: string | null
  readonly tenantId: string | null
  /** The message's status once this had happened; null for inbox events. */
  readonly status: MessageStatus | null
  readonly reason: MessageReason | null
  readonly channel: Channel | null
  readonly providerId: string | null
  readonly error: string | null
  readonly detail: Record<string, unknown> | null
}

/** An event in its environment's log. Positions start at 1, have no holes, and are in commit order. */
export interface LogEvent extends NewEvent {
  readonly position: number
}

/** What a follower wants to see. All that are given must hold; an empty filter is the whole stream. */
export interface EventFilter {
  readonly stream: EventStream
  readonly messageIds?: readonly string[]
  readonly requestIds?: readonly string[]
  readonly jobIds?: readonly string[]
  readonly userId?: string
  /** null: only events without a tenant. */
  readonly tenantId?: string | null
  readonly types?: readonly string[]
  /**
   * Rights of a user token: events of its own user, or of the requests and jobs it names; any of the three is enough.
   */
  readonly visibleTo?: {
    readonly userId: string | null
    readonly tenantId: string | null
    readonly requestIds: readonly string[]
    readonly jobIds: readonly string[]
  }
}
