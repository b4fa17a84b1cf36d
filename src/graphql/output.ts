import type { Channel as ChannelName, Rendered } from '../channels/provider.ts'
import type { Decision as PlanDecision } from '../domain/plan.ts'
import { OF_A_MESSAGE } from './access.ts'
import { builder } from './builder.ts'
import { Channel } from './enums.ts'
import { InboxAction } from './inbox-action.ts'

export interface OutputShape extends Rendered {
  readonly channel: ChannelName
  readonly providerId: string | null
}

/** A row of output as the graph shows it; an empty providerId means every provider of the channel. */
export function toOutput(row: { channel: ChannelName; providerId: string; content: unknown }): OutputShape {
  return { ...(row.content as Rendered), channel: row.channel, providerId: row.providerId || null }
}

export const RenderedOutput = builder.objectRef<OutputShape>('RenderedOutput').implement({
  description: "What a channel rendered. providerId: where the content is that provider's own.",
  authScopes: OF_A_MESSAGE,
  fields: (t) => ({
    channel: t.expose('channel', { type: Channel }),
    providerId: t.exposeID('providerId', { nullable: true }),
    subject: t.exposeString('subject', { nullable: true }),
    title: t.exposeString('title', { nullable: true }),
    text: t.exposeString('text', { nullable: true }),
    html: t.exposeString('html', { nullable: true }),
    actions: t.field({
      type: [InboxAction],
      description: "An inbox message's, and a webhook's; none on other channels.",
      resolve: ({ actions = [] }) => actions.map(({ label, href, ...data }) => ({ label, href, data })),
    }),
    payload: t.field({
      type: 'JSON',
      nullable: true,
      description: "JSON of the channel's own. A direct message: the service's own blocks, or what each service's are made of.",
      resolve: ({ payload, blocks }) => payload ?? blocks ?? null,
    }),
  }),
})

export const Decision = builder.objectRef<PlanDecision>('Decision').implement({
  description: 'A rule that was asked, and what it answered. The last one that said no is the deciding one.',
  authScopes: OF_A_MESSAGE,
  fields: (t) => ({
    rule: t.exposeString('rule'),
    subject: t.exposeString('subject'),
    passed: t.exposeBoolean('passed'),
    because: t.exposeString('because'),
    detail: t.expose('detail', { type: 'JSONObject', nullable: true }),
  }),
})
