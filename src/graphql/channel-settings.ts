import { builder } from './builder.ts'
import { HeaderInput } from './header.ts'
import { RoutingMethod } from './routing.ts'

type Fields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0]

export const UtmInput = builder.inputType('UtmInput', {
  description: 'What tracked links say about where a click came from.',
  fields: (t) => ({
    source: t.string(),
    medium: t.string(),
    campaign: t.string(),
    term: t.string(),
    content: t.string(),
  }),
})

const AttachmentInput = builder.inputType('AttachmentInput', {
  description: 'A file that goes with an email. Exactly one of content and url.',
  fields: (t) => ({
    filename: t.string({ required: true }),
    contentType: t.string({ description: 'A media type, like application/pdf.' }),
    content: t.string({ description: 'Base64; at most 4 MiB in all attachments.' }),
    url: t.string({ description: 'Fetched when the email is sent.' }),
    contentId: t.string({ description: 'For an image that the HTML shows by cid.' }),
  }),
})

const EmailOverrideInput = builder.inputType('EmailOverrideInput', {
  description: 'Goes over the rendered email.',
  fields: (t) => ({
    subject: t.string(),
    from: t.string({ description: 'An address, or `Name <address>`.' }),
    replyTo: t.string({ description: 'An address, or `Name <address>`.' }),
    cc: t.stringList({ description: 'At most 50 with bcc.' }),
    bcc: t.stringList(),
    html: t.string(),
    text: t.string(),
    headers: t.field({ type: [HeaderInput] }),
    attachments: t.field({ type: [AttachmentInput], description: 'At most 10.' }),
    trackOpens: t.boolean(),
    trackClicks: t.boolean(),
  }),
})

const SmsOverrideInput = builder.inputType('SmsOverrideInput', {
  description: 'Goes over the rendered SMS.',
  fields: (t) => ({ from: t.string({ description: "A number, or a sender's name." }), body: t.string() }),
})

const PushOverrideInput = builder.inputType('PushOverrideInput', {
  description: 'Goes over the rendered push notification.',
  fields: (t) => ({
    title: t.string(),
    body: t.string(),
    icon: t.string(),
    clickAction: t.string({ description: 'Where a tap leads.' }),
    data: t.field({ type: 'JSONObject' }),
  }),
})

const InboxOverrideInput = builder.inputType('InboxOverrideInput', {
  description: 'Goes over the rendered inbox message.',
  fields: (t) => ({
    title: t.string(),
    preview: t.string(),
    body: t.string(),
    data: t.field({ type: 'JSONObject' }),
  }),
})

const DirectMessageOverrideInput = builder.inputType('DirectMessageOverrideInput', {
  description: 'Goes over the rendered chat message.',
  fields: (t) => ({
    text: t.string(),
    blocks: t.field({ type: 'JSON', description: "The service's own: Slack blocks, an adaptive card, …" }),
  }),
})

const WebhookOverrideInput = builder.inputType('WebhookOverrideInput', {
  description: 'Goes over the request.',
  fields: (t) => ({ body: t.field({ type: 'JSON' }), headers: t.field({ type: [HeaderInput] }) }),
})

const CONDITION = 'A condition (CEL) on data, profile and tenant: where it does not hold, this is passed over.'

/** What is said alike about every channel. */
const common = (t: Fields) => ({
  if: t.string({ description: CONDITION }),
  providerIds: t.idList({ description: 'Its provider accounts in the order in which they are tried; others are not.' }),
  method: t.field({ type: RoutingMethod, description: 'SINGLE where absent: the first account that takes it.' }),
  timeout: t.field({ type: 'Duration', description: "Over the send's." }),
  utm: t.field({ type: UtmInput }),
})

const EmailChannelInput = builder.inputType('EmailChannelInput', {
  description: 'Email.',
  fields: (t) => ({
    ...common(t),
    brandId: t.id({ description: 'Over every other brand.' }),
    override: t.field({ type: EmailOverrideInput }),
  }),
})

const SmsChannelInput = builder.inputType('SmsChannelInput', {
  description: 'SMS.',
  fields: (t) => ({ ...common(t), override: t.field({ type: SmsOverrideInput }) }),
})

const PushChannelInput = builder.inputType('PushChannelInput', {
  description: 'Push notifications.',
  fields: (t) => ({ ...common(t), override: t.field({ type: PushOverrideInput }) }),
})

const InboxChannelInput = builder.inputType('InboxChannelInput', {
  description: 'The in-app inbox.',
  fields: (t) => ({ ...common(t), override: t.field({ type: InboxOverrideInput }) }),
})

const DirectMessageChannelInput = builder.inputType('DirectMessageChannelInput', {
  description: 'Chat services.',
  fields: (t) => ({ ...common(t), override: t.field({ type: DirectMessageOverrideInput }) }),
})

const WebhookChannelInput = builder.inputType('WebhookChannelInput', {
  description: 'Signed HTTP requests to a recipient.',
  fields: (t) => ({ ...common(t), override: t.field({ type: WebhookOverrideInput }) }),
})

export const ChannelsInput = builder.inputType('ChannelsInput', {
  description: 'What holds for each channel.',
  fields: (t) => ({
    email: t.field({ type: EmailChannelInput }),
    sms: t.field({ type: SmsChannelInput }),
    push: t.field({ type: PushChannelInput }),
    inbox: t.field({ type: InboxChannelInput }),
    directMessage: t.field({ type: DirectMessageChannelInput }),
    webhook: t.field({ type: WebhookChannelInput }),
  }),
})

export const ProviderSettingsInput = builder.inputType('ProviderSettingsInput', {
  description: 'What holds for one provider account.',
  fields: (t) => ({
    providerId: t.id({ required: true }),
    if: t.string({ description: CONDITION }),
    timeout: t.field({ type: 'Duration', description: "Over the send's." }),
    utm: t.field({ type: UtmInput }),
    override: t.field({ type: 'JSONObject', description: "Goes over its request, in the provider's own words." }),
  }),
})

export const TimeoutInput = builder.inputType('TimeoutInput', {
  description:
    'How long the whole message, each channel and each provider may take: 72 hours, 30 minutes, 5 minutes where absent.',
  fields: (t) => ({
    message: t.field({ type: 'Duration', description: 'At most 7 days.' }),
    channel: t.field({ type: 'Duration' }),
    provider: t.field({ type: 'Duration' }),
  }),
})
