import type { Client } from './client.ts'
import { dataOf, document } from './house.ts'

/** The data of one operation, written where it is used. Throws where it is refused. */
export async function ask<Data = Record<string, unknown>>(
  client: Client,
  source: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  return dataOf(await client.send(document<Data>(source), variables))
}

/** A message as the stories about whom it reaches look at it. */
export interface Reached {
  readonly id: string
  readonly userId: string | null
  readonly recipient: string
  readonly status: string
  readonly reason: string | null
  readonly error: string | null
  readonly tenantId: string | null
  readonly listId: string | null
  readonly audienceId: string | null
  readonly topicId: string | null
  readonly deliveries: readonly { readonly channel: string; readonly address: string }[]
  readonly decisions: readonly {
    readonly rule: string
    readonly subject: string
    readonly passed: boolean
    readonly because: string
  }[]
}

interface RequestState {
  readonly request: {
    readonly expanded: boolean
    readonly counts: { readonly total: number; readonly pending: number }
    readonly messages: {
      readonly nodes: readonly Reached[]
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string }
    }
  }
}

const REQUEST = `query ($id: ID!, $first: Int!, $after: String) {
  request(id: $id) {
    expanded
    counts { total pending }
    messages(first: $first, after: $after) {
      nodes {
        id userId recipient status reason error tenantId listId audienceId topicId
        deliveries { channel address } decisions { rule subject passed because }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

const LOOK_AGAIN_MS = 50

/** Sends, and waits until every message exists and none is under way: all of them, by recipient. */
export async function sendToAll(client: Client, input: Record<string, unknown>): Promise<readonly Reached[]> {
  const { send } = await ask<{ send: { requestId: string } }>(
    client,
    'mutation ($input: SendInput!) { send(input: $input) { requestId } }',
    { input },
  )
  return settledRequest(client, send.requestId)
}

export async function settledRequest(client: Client, id: string): Promise<readonly Reached[]> {
  while (true) {
    const { request } = await ask<RequestState>(client, REQUEST, { id, first: 0 })
    if (request.expanded && request.counts.pending === 0) break
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
  }
  const found: Reached[] = []
  for (let after: string | null = null; ; ) {
    const { request }: RequestState = await ask<RequestState>(client, REQUEST, { id, first: 100, after })
    found.push(...request.messages.nodes)
    if (!request.messages.pageInfo.hasNextPage) break
    after = request.messages.pageInfo.endCursor
  }
  return found.sort((a, b) => (a.recipient < b.recipient ? -1 : 1))
}

/** A message as a plan of its send foretells it. */
export interface Planned {
  readonly outcome: string
  readonly reason: string | null
  readonly scheduledFor: string | null
  readonly steps: readonly { readonly channel: string; readonly providerId: string; readonly address: string }[]
  readonly decisions: Reached['decisions']
}

const PLAN = `query ($input: SendInput!) {
  planSend(input: $input) {
    messages {
      outcome reason scheduledFor steps { channel providerId address } decisions { rule subject passed because }
    }
  }
}`

/** What would become of the first recipient of a send. */
export async function planOf(client: Client, input: Record<string, unknown>): Promise<Planned> {
  const { planSend } = await ask<{ planSend: { messages: readonly Planned[] } }>(client, PLAN, { input })
  return planSend.messages[0]!
}
