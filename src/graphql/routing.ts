import { ROUTING_METHODS, type RoutingInput as RoutingShape } from '../domain/routing.ts'
import { builder } from './builder.ts'
import { Channel } from './enums.ts'

export const RoutingMethod = builder.enumType('RoutingMethod', {
  description: 'SINGLE: in order, until one takes the message. ALL: every one, independently of the others.',
  values: ROUTING_METHODS,
})

export const RoutingInput = builder.inputRef<RoutingShape>('RoutingInput')

const RoutingStepInput = builder.inputType('RoutingStepInput', {
  description: 'A channel with its providers in their order, one provider account, or a nested tree.',
  isOneOf: true,
  fields: (t) => ({
    channel: t.field({ type: Channel }),
    providerId: t.id({ description: 'One that does not exist is passed over.' }),
    routing: t.field({ type: RoutingInput }),
  }),
})

RoutingInput.implement({
  description:
    'Which channels and providers are tried, and how: 1 to 20 steps a level, 5 levels, 50 channels and providers in all.',
  fields: (t) => ({
    method: t.field({ type: RoutingMethod, required: true, defaultValue: 'SINGLE' }),
    channels: t.field({ type: [RoutingStepInput], required: true }),
  }),
})
