import { builder } from './builder.ts'
import { HeaderInput } from './header.ts'
import { TopicPreferenceInput } from './topic.ts'
import { DeviceTokenInput } from './user.ts'

const WebhookRecipientInput = builder.inputType('WebhookRecipientInput', {
  description: 'A place that takes messages as signed HTTP requests (Standard Webhooks 1.0).',
  fields: (t) => ({ url: t.string({ required: true }), headers: t.field({ type: [HeaderInput] }) }),
})

const TenantRecipientInput = builder.inputType('TenantRecipientInput', {
  description: 'The members of a tenant.',
  fields: (t) => ({
    id: t.id({ required: true }),
    includeDescendants: t.boolean({
      required: true,
      defaultValue: false,
      description: 'And those of the tenants below it, each person once.',
    }),
  }),
})

const SlackRecipientInput = builder.inputType('SlackRecipientInput', {
  description: 'One of channel, userId, email and webhookUrl (an incoming webhook).',
  fields: (t) => ({
    channel: t.string(),
    userId: t.string(),
    email: t.string(),
    webhookUrl: t.string({ description: 'Never shown again.' }),
    accessToken: t.string({ description: "Instead of the provider account's. Never shown again." }),
  }),
})

const MsTeamsRecipientInput = builder.inputType('MsTeamsRecipientInput', {
  description: "webhookUrl, or a bot's target: tenantId and serviceUrl with one of userId, email, channelId and conversationId.",
  fields: (t) => ({
    webhookUrl: t.string({ description: 'Never shown again.' }),
    tenantId: t.string(),
    serviceUrl: t.string({ description: "Where the bot reaches the tenant: one of Microsoft's own." }),
    userId: t.string(),
    email: t.string(),
    channelId: t.string(),
    conversationId: t.string(),
  }),
})

const DiscordRecipientInput = builder.inputType('DiscordRecipientInput', {
  description: 'One of them.',
  fields: (t) => ({ channelId: t.string(), userId: t.string(), webhookUrl: t.string({ description: 'Never shown again.' }) }),
})

const TelegramRecipientInput = builder.inputType('TelegramRecipientInput', {
  description: 'A chat that the bot is in.',
  fields: (t) => ({ chatId: t.string({ required: true }) }),
})

export const RecipientInput = builder.inputType('RecipientInput', {
  description:
    'One recipient, of one kind. A person: userId, or an address (email, phoneNumber, deviceTokens, or one in profile; several are one person). A group: listId, listPattern, audienceId or tenant. Or a place: webhook, slack, msTeams, discord or telegram.',
  fields: (t) => ({
    userId: t.id({ description: 'One that is not known is made.' }),
    email: t.string({ description: 'Beside a userId, addresses go over the stored ones.' }),
    phoneNumber: t.string({ description: 'With + and its country code.' }),
    deviceTokens: t.field({ type: [DeviceTokenInput], description: 'Instead of the stored ones.' }),
    listId: t.id(),
    listPattern: t.string({ description: '`*` is one part of an id, `**` at its end one or more.' }),
    audienceId: t.id(),
    tenant: t.field({ type: TenantRecipientInput, description: 'Every member of a tenant, in its context.' }),
    webhook: t.field({ type: WebhookRecipientInput }),
    slack: t.field({ type: SlackRecipientInput }),
    msTeams: t.field({ type: MsTeamsRecipientInput }),
    discord: t.field({ type: DiscordRecipientInput }),
    telegram: t.field({ type: TelegramRecipientInput }),
    profile: t.field({
      type: 'JSONObject',
      description: 'Merged over the stored profile for this send; stored where the user is new.',
    }),
    data: t.field({ type: 'JSONObject', description: "Merged over the request's data." }),
    preferences: t.field({ type: [TopicPreferenceInput], description: 'Over the stored preferences, for this send.' }),
    tenantId: t.id({ description: "The tenant whose context holds for this recipient, over the request's. It is not a target." }),
    locale: t.string({ description: 'A language tag (BCP 47).' }),
    timezone: t.field({ type: 'TimeZone' }),
  }),
})
