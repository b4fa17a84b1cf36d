import type { TemplateDraft } from '../domain/template.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'

export const OF_CONTENT = may({ key: ['CONTENT_READ', 'CONTENT_WRITE'] })

/** What `version` says where the author did not. */
const FIRST_VERSION = '2022-01-01'

export const Content = builder.objectRef<TemplateDraft['content']>('Content').implement({
  description: 'What a message says, as its author wrote it.',
  authScopes: OF_CONTENT,
  fields: (t) => ({
    title: t.string({ nullable: true, resolve: ({ title }) => title ?? null }),
    body: t.string({ nullable: true, resolve: ({ body }) => body ?? null }),
    version: t.string({ resolve: ({ version }) => version ?? FIRST_VERSION }),
    elements: t.field({
      type: ['ContentElement'],
      nullable: true,
      resolve: ({ elements }) => (elements == null ? null : [...elements]),
    }),
  }),
})

export const ContentInput = builder.inputType('ContentInput', {
  description: 'What the message says. At least one of title, body and elements; every text may hold variables: {{name}}.',
  fields: (t) => ({
    title: t.string({ description: 'The subject of an email, the title of a push or inbox message.' }),
    body: t.string({ description: 'Markdown. It comes before the elements.' }),
    version: t.string({ description: `Of the elements' form: "${FIRST_VERSION}", also where it is left out.` }),
    elements: t.field({ type: ['ContentElement'], description: 'Shown one under the other.' }),
  }),
})
