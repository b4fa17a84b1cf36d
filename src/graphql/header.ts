import { builder } from './builder.ts'

export const HeaderInput = builder.inputType('HeaderInput', {
  description: 'An extra header of an HTTP request or of an email.',
  fields: (t) => ({ name: t.string({ required: true }), value: t.string({ required: true }) }),
})
