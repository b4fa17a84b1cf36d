import { Webhook } from 'standardwebhooks'

export interface SignedWebhook {
  /** Each `whsec_…`; several while one is replaced by another, so that the receiver may know either. */
  readonly secrets: readonly string[]
  /** Equal on every attempt: the receiver tells a repetition by it. */
  readonly id: string
  /** Of the attempt. */
  readonly at: Date
  /** The very text that is sent: one that is serialised again need not be the same. */
  readonly body: string
}

/** The headers that let a receiver verify who sent a webhook and that it is fresh (Standard Webhooks 1.0). */
export function signWebhook({ secrets, id, at, body }: SignedWebhook): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': secrets.map((key) => new Webhook(key).sign(id, at, body)).join(' '),
  }
}
