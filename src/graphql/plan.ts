import type { SendPlan as Plan, MessagePlan as Planned, PlannedStep } from '../domain/plan-send.ts'
import { checkSend } from '../domain/send.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { checkFirst } from './connection.ts'
import { actorOf } from './context.ts'
import { Channel, MessageReason, MessageStatus } from './enums.ts'
import { Decision, RenderedOutput } from './output.ts'
import { SendInput } from './send.ts'

const OF_A_PLAN = may({ key: ['SEND'] })

const PlanStep = builder.objectRef<PlannedStep>('PlanStep').implement({
  description: "One account's turn with one address. output: null where it would not render; the decisions say why.",
  authScopes: OF_A_PLAN,
  fields: (t) => ({
    channel: t.expose('channel', { type: Channel }),
    providerId: t.exposeID('providerId'),
    address: t.exposeString('address'),
    output: t.field({
      type: RenderedOutput,
      nullable: true,
      resolve: ({ channel, output }) => output && { ...output, channel, providerId: null },
    }),
  }),
})

const MessagePlan = builder.objectRef<Planned>('MessagePlan').implement({
  description: 'What would become of one message.',
  authScopes: OF_A_PLAN,
  fields: (t) => ({
    recipient: t.exposeString('recipient'),
    userId: t.exposeID('userId', { nullable: true }),
    outcome: t.expose('outcome', {
      type: MessageStatus,
      description: 'The status the message would reach first: ROUTED, DELAYED, or why not.',
    }),
    reason: t.expose('reason', { type: MessageReason, nullable: true }),
    scheduledFor: t.expose('scheduledFor', { type: 'DateTime', nullable: true }),
    steps: t.field({
      type: [PlanStep],
      description: 'In the order in which they would be tried.',
      resolve: ({ steps }) => [...steps],
    }),
    decisions: t.field({
      type: [Decision],
      description: 'Every rule that was asked, in order, and what it answered. The last one that said no is the deciding one.',
      resolve: ({ decisions }) => [...decisions],
    }),
  }),
})

const SendPlan = builder.objectRef<Plan>('SendPlan').implement({
  description: 'What a send would do. recipients: how many messages it would make; messages: the plans of the first of them.',
  authScopes: OF_A_PLAN,
  fields: (t) => ({
    recipients: t.exposeInt('recipients'),
    messages: t.field({ type: [MessagePlan], resolve: ({ messages }) => [...messages] }),
  }),
})

builder.queryFields((t) => ({
  planSend: t.field({
    type: SendPlan,
    description:
      'What send would do with this input: who, which channels and providers, which rule skipped whom, rendered. Writes nothing, sends nothing.',
    authScopes: OF_A_PLAN,
    args: {
      input: t.arg({ type: SendInput, required: true }),
      first: t.arg.int({ defaultValue: 20, description: 'How many recipients, at most 100.' }),
    },
    resolve: (_root, { input, first }, context) =>
      context.graph.planSend(actorOf(context), checkSend(input, context.graph), checkFirst(first)),
  }),
}))
