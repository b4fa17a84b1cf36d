import { API_KEY_SCOPES, TOKEN_SCOPES } from '../domain/actor.ts'
import { INBOX_MARKS } from '../domain/inbox.ts'
import { ATTEMPT_OUTCOMES } from '../domain/route.ts'
import {
  ApiKeyMode as ApiKeyModes,
  BulkJobStatus as BulkJobStatuses,
  Channel as Channels,
  DeliveryStatus as DeliveryStatuses,
  DeviceTokenStatus as DeviceTokenStatuses,
  MessageReason as MessageReasons,
  MessageStatus as MessageStatuses,
  PreferenceStatus as PreferenceStatuses,
  ProviderHealth as ProviderHealths,
  UnknownPolicy as UnknownPolicies,
  WebhookDeliveryStatus as WebhookDeliveryStatuses,
} from '../generated/tables.ts'
import { builder } from './builder.ts'

/** Enums grow: a client takes a value that it does not know for "something else". */
export const Channel = builder.enumType('Channel', {
  description: 'A way to reach a person or a place.',
  values: values(Channels),
})
export const MessageStatus = builder.enumType('MessageStatus', {
  description: 'Where a message stands. It only moves forward.',
  values: values(MessageStatuses),
})
export const MessageReason = builder.enumType('MessageReason', {
  description: 'Why a message did not go further.',
  values: values(MessageReasons),
})
export const DeliveryStatus = builder.enumType('DeliveryStatus', {
  description: 'Where a delivery stands. UNKNOWN: the provider may or may not have taken it.',
  values: values(DeliveryStatuses),
})
export const AttemptOutcome = builder.enumType('AttemptOutcome', {
  description: 'What one call came to.',
  values: ATTEMPT_OUTCOMES,
})
export const DeviceTokenStatus = builder.enumType('DeviceTokenStatus', {
  description: 'Whether a push token is used.',
  values: values(DeviceTokenStatuses),
})
export const UnknownPolicy = builder.enumType('UnknownPolicy', {
  description: 'What follows an attempt whose outcome is UNKNOWN: send again, or give the message up.',
  values: values(UnknownPolicies),
})
export const ProviderHealth = builder.enumType('ProviderHealth', {
  description: 'FAILING: passed over for a while. MISCONFIGURED: its settings were refused; passed over until it is put again.',
  values: values(ProviderHealths),
})
export const WebhookDeliveryStatus = builder.enumType('WebhookDeliveryStatus', {
  description: 'Whether an endpoint took an event. FAILED: it was given up, and can be sent again by hand.',
  values: values(WebhookDeliveryStatuses),
})
export const PreferenceStatus = builder.enumType('PreferenceStatus', {
  description: 'Whether a user gets what is about a topic. REQUIRED: whatever the user chose.',
  values: values(PreferenceStatuses),
})
export const PreferenceSource = builder.enumType('PreferenceSource', {
  description: 'Who decided about a topic.',
  values: ['USER', 'TENANT', 'TOPIC'] as const,
})
export const ApiKeyMode = builder.enumType('ApiKeyMode', {
  description: 'SIMULATE: the whole lifecycle, but no provider is called; messages end SIMULATED.',
  values: values(ApiKeyModes),
})
export const ApiKeyScope = builder.enumType('ApiKeyScope', {
  description: 'What an API key may do. ADMIN: everything.',
  values: API_KEY_SCOPES,
})
export const TokenScope = builder.enumType('TokenScope', { description: 'What a user token may do.', values: TOKEN_SCOPES })
export const BulkJobStatus = builder.enumType('BulkJobStatus', {
  description:
    'COMPLETED: every user was placed or failed; counts.pending tells what is still under way. ERROR: given up, see error.',
  values: values(BulkJobStatuses),
})
export const MessageEventType = builder.enumType('MessageEventType', {
  description: 'What happened to a message.',
  values: [
    'ENQUEUED',
    'DELAYED',
    'MAPPED',
    'PROFILE_LOADED',
    'ROUTED',
    'FILTERED',
    'RENDERED',
    'DELIVERING',
    'RETRYING',
    'FAILED_OVER',
    'SENT',
    'DELIVERED',
    'OPENED',
    'CLICKED',
    'DIGESTED',
    'THROTTLED',
    'SIMULATED',
    'CANCELED',
    'UNMAPPED',
    'UNROUTABLE',
    'UNDELIVERABLE',
  ] as const,
})
export const InboxEventType = builder.enumType('InboxEventType', {
  description: 'What happened to an inbox. REMOVED: expired or erased.',
  values: [
    'MESSAGE',
    'READ',
    'UNREAD',
    'OPENED',
    'CLICKED',
    'ARCHIVED',
    'UNARCHIVED',
    'REMOVED',
    'ALL_OPENED',
    'ALL_READ',
    'ALL_ARCHIVED',
    'READ_ARCHIVED',
  ] as const,
})
export const InboxMark = builder.enumType('InboxMark', {
  description: 'What was done with a message in its inbox. OPENED: it was seen there; CLICKED: one of its actions was taken.',
  values: INBOX_MARKS,
})
export const InboxReadStatus = builder.enumType('InboxReadStatus', {
  description: 'Whether an inbox message was read.',
  values: ['READ', 'UNREAD'] as const,
})

function values<T extends string>(of: { readonly [K in T]: K }): readonly T[] {
  return Object.values(of) as T[]
}
