export interface DemoEvent {
  readonly type: string
  readonly at: string
  readonly messageId: string
  readonly status: string
  readonly reason: string | null
  readonly channel: string | null
  readonly providerId: string | null
  readonly error: string | null
}

/** What a DemoEvent is made of. */
export const EVENT_FIELDS = 'type at messageId status reason channel providerId error'

export interface Decision {
  readonly rule: string
  readonly subject: string
  readonly passed: boolean
  readonly because: string
}

/** After this long after the last message was accepted, those that are not sent yet count as lost. */
export const PATIENCE_MS = 20_000
/** Nothing follows, and it went well. */
export const SENT = 'SENT'
export const ENDED: ReadonlySet<string> = new Set([
  SENT,
  'SIMULATED',
  'UNMAPPED',
  'UNROUTABLE',
  'UNDELIVERABLE',
  'FILTERED',
  'THROTTLED',
  'CANCELED',
])
