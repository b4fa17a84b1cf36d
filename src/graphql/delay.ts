import { builder } from './builder.ts'

export const DelayInput = builder.inputType('DelayInput', {
  description: 'When a message is sent. Exactly one of duration, until and window.',
  fields: (t) => ({
    duration: t.field({ type: 'Duration', description: 'At most 90 days.' }),
    until: t.field({ type: 'DateTime', description: 'An instant that has passed means now.' }),
    window: t.string({
      description: 'Opening hours, "Mo-Fr 09:00-17:00": sent when they next are open, and at once where they are.',
    }),
    timezone: t.field({ type: 'TimeZone', description: "Of the window, instead of the recipient's." }),
  }),
})
