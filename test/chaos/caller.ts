import { expect } from 'vitest'

/** What one operation was answered; a caller whose server dies gets an exception instead. */
interface Answer<Data> {
  readonly data?: Data | null
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

/** One operation over HTTP, on a connection of its own. Throws what `errors` say, and where no answer came. */
export async function ask<Data>(url: string, key: string, query: string, variables: object = {}): Promise<Data> {
  const reply = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, connection: 'close' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await reply.json()) as Answer<Data>
  if (errors?.[0]) throw new Error(`${errors[0].extensions.code}: ${errors[0].message}`)
  return data!
}

const SEND = 'mutation ($input: SendInput!) { send(input: $input) { requestId replayed } }'

/** Sends, and answers the request's id: where one person was named, also the message's. */
export async function send(url: string, key: string, input: object): Promise<string> {
  const { send: sent } = await ask<{ send: { requestId: string } }>(url, key, SEND, { input })
  return sent.requestId
}

/** A mail to one person; its subject is what the mail server and the database know it by. */
export function mail(title: string) {
  return { to: [{ email: 'ada@example.com' }], content: { title, body: 'It rings.' }, metadata: { traceId: title } }
}

/** Waits for a condition. Reading it may fail meanwhile: a server that it asks may be dead. Returns how long it took, in ms. */
export async function until(condition: () => Promise<boolean> | boolean, withinMs: number, what: string): Promise<number> {
  const begun = performance.now()
  await expect
    .poll(() => Promise.resolve(condition()).catch(() => false), { timeout: withinMs, interval: 25, message: what })
    .toBe(true)
  return Math.round(performance.now() - begun)
}
