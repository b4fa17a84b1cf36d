import { OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'

export interface InboxActionShape {
  readonly label: string
  readonly href?: string | null
  readonly data?: unknown
}

export const InboxAction = builder.objectRef<InboxActionShape>('InboxAction').implement({
  description: 'A button of an inbox message.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    label: t.exposeString('label'),
    href: t.exposeString('href', { nullable: true }),
    data: t.expose('data', { type: 'JSONObject', nullable: true }),
  }),
})
