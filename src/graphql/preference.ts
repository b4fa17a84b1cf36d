import { type EffectivePreference, resetPreference, setPreference, setPreferences } from '../domain/preference.ts'
import { actsAsMember, tenantOf, userOf } from '../domain/visibility.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, type Context, run } from './context.ts'
import { Channel, PreferenceSource, PreferenceStatus } from './enums.ts'
import { Topic } from './topic.ts'
import { User } from './user.ts'

const MAY_SEE = may({ key: ['USERS_READ', 'USERS_WRITE'], token: ['PREFERENCES_READ', 'PREFERENCES_WRITE'] })
const MAY_CHOOSE = may({ key: ['USERS_WRITE'], token: ['PREFERENCES_WRITE'] })

const Preference = builder.objectRef<EffectivePreference>('Preference').implement({
  description: 'What holds about a topic for one user: their own choice, or a default.',
  authScopes: MAY_SEE,
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The same for the same user, topic and tenant.' }),
    topic: t.field({ type: Topic, resolve: ({ topic }) => topic }),
    status: t.expose('status', { type: PreferenceStatus }),
    defaultStatus: t.expose('defaultStatus', { type: PreferenceStatus, description: 'What would hold without a choice.' }),
    channels: t.field({
      type: [Channel],
      nullable: true,
      description: 'Only these; null means every one.',
      resolve: ({ channels }) => channels as never,
    }),
    snoozedUntil: t.expose('snoozedUntil', { type: 'DateTime', nullable: true, description: 'Nothing is sent before that.' }),
    source: t.expose('source', { type: PreferenceSource, description: 'Who decided.' }),
  }),
})

const PreferenceInput = builder.inputType('PreferenceInput', {
  description: 'A whole choice: what is left out takes its default.',
  fields: (t) => ({
    topicId: t.id({ required: true }),
    tenantId: t.id({ description: 'Only in this tenant; absent means everywhere, and for a token of one tenant that tenant.' }),
    status: t.field({
      type: PreferenceStatus,
      required: true,
      description: "OPTED_IN or OPTED_OUT; REQUIRED is not the user's to choose.",
    }),
    channels: t.field({ type: [Channel], description: 'Only these channels; null means every one.' }),
    snoozedUntil: t.field({ type: 'DateTime', description: 'Nothing is sent before that. One that has passed is none.' }),
  }),
})

/** An input with the tenant that is meant: a token that was issued for one chooses in that one. */
function within<Input extends { readonly tenantId?: string | null }>(context: Context, input: Input) {
  return { ...input, tenantId: tenantOf(actorOf(context), input.tenantId) }
}

builder.prismaObjectFields(User, (t) => ({
  preferences: t.field({
    type: [Preference],
    description: 'Every topic, with the status that holds for this user; by section, name and id.',
    authScopes: MAY_SEE,
    args: { tenantId: t.arg.id({ description: 'As it holds in the context of this tenant.' }) },
    resolve: ({ environmentId, id }, args, context) => {
      const actor = actorOf(context)
      const tenantId = tenantOf(actor, args.tenantId)
      return context.graph.readPreferences({ environmentId, userId: id, tenantId, asMember: actsAsMember(actor, tenantId) })
    },
  }),
}))

builder.mutationFields((t) => ({
  setPreference: t.field({
    type: Preference,
    description: "A user's own choice for a topic. Opting out of a topic that is required for them is an error.",
    authScopes: MAY_CHOOSE,
    args: { userId: t.arg.id(), input: t.arg({ type: PreferenceInput, required: true }) },
    resolve: async (_root, { userId, input }, context) => {
      const choice = { userId: userOf(actorOf(context), userId), input: within(context, input) }
      return (await run(context, 'setPreference', setPreference, choice)).value
    },
  }),
  setPreferences: t.field({
    type: [Preference],
    description: 'Several choices of one user, 1 to 50, all or none. Answers in their order.',
    authScopes: MAY_CHOOSE,
    args: { userId: t.arg.id(), inputs: t.arg({ type: [PreferenceInput], required: true }) },
    resolve: async (_root, { userId, inputs }, context) => {
      const choices = { userId: userOf(actorOf(context), userId), inputs: inputs.map((input) => within(context, input)) }
      return [...(await run(context, 'setPreferences', setPreferences, choices)).value]
    },
  }),
  resetPreference: t.field({
    type: Preference,
    description: "Back to the tenant's or the topic's default, or in a tenant to the choice that holds everywhere.",
    authScopes: MAY_CHOOSE,
    args: { userId: t.arg.id(), topicId: t.arg.id({ required: true }), tenantId: t.arg.id() },
    resolve: async (_root, { userId, ...args }, context) => {
      const choice = within(context, { userId: userOf(actorOf(context), userId), ...args })
      return (await run(context, 'resetPreference', resetPreference, choice)).value
    },
  }),
}))
