import { z } from 'zod'
import type { Channel, DeliverContext, Outcome, Outgoing, Provider } from '../../src/channels/provider.ts'
import { PutProviderDocument } from '../generated/graphql.ts'
import type { Client } from './client.ts'
import { dataOf } from './house.ts'

/** How a carrier answers a call: always the same, or by what it is called with. */
type Answer = Outcome | ((outgoing: Outgoing, context: Pick<DeliverContext<unknown>, 'signal'>) => Promise<Outcome>)

/** Providers of somebody else's, one account of each, whose answers are the test's: they take everything until they are told. */
export interface Carriers {
  /** For World.providers. */
  readonly providers: readonly Provider[]
  /** Every call, in order. */
  readonly calls: readonly { readonly by: string; readonly outgoing: Outgoing }[]
  answer(kind: string, how: Answer): void
  /** Who was called for a message, in order. */
  callsFor(messageId: string): readonly string[]
  /** Puts each afresh, in the order in which they were named; what exists at start carries nothing. All take everything. */
  open(client: Client): Promise<void>
}

/** @param kinds the channel of each; its kind is also its account's id */
export function hireCarriers(kinds: Readonly<Record<string, Channel>>): Carriers {
  const calls: { by: string; outgoing: Outgoing }[] = []
  const answers = new Map<string, Answer>()
  const providers = Object.entries(kinds).map(
    ([kind, channel]): Provider => ({
      kind,
      channel,
      name: kind,
      settings: z.object({}),
      async deliver(outgoing, context) {
        calls.push({ by: kind, outgoing })
        const how = answers.get(kind) ?? { kind: 'accepted' }
        return typeof how === 'function' ? how(outgoing, context) : how
      },
    }),
  )
  return {
    providers,
    calls,
    answer: (kind, how) => void answers.set(kind, how),
    callsFor: (messageId) => calls.filter(({ outgoing }) => outgoing.messageId === messageId).map(({ by }) => by),
    async open(client) {
      answers.clear()
      const put = async (
        id: string,
        input: { kind: string; settings: Record<string, unknown>; priority?: number; enabled?: boolean },
      ) => dataOf(await client.send(PutProviderDocument, { id, input }))
      await put('smtp', { kind: 'smtp', settings: { url: 'smtp://127.0.0.1:1', from: 'off@example.com' }, enabled: false })
      await put('inbox', { kind: 'inbox', settings: {}, enabled: false })
      for (const [priority, kind] of Object.keys(kinds).entries()) await put(kind, { kind, settings: {}, priority })
    },
  }
}
