import { refuseUnrendered } from '../domain/preview.ts'
import { type PreviewInput as Asked, checkPreview } from '../domain/preview-input.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { ContentInput } from './content.ts'
import { actorOf } from './context.ts'
import { Channel } from './enums.ts'
import { RenderedOutput } from './output.ts'

const OF_A_PREVIEW = may({ key: ['SEND'] })

const PreviewInput = builder.inputType('PreviewInput', {
  description: 'What to show, and as whom. Exactly one of template, content and messageId.',
  fields: (t) => ({
    template: t.id({ description: "A template's id." }),
    version: t.int({
      description: 'Left out: the version that is published, or with messageId the one the message was sent with.',
    }),
    draft: t.boolean({ required: true, defaultValue: false, description: "The template's draft instead of a version." }),
    content: t.field({ type: ContentInput }),
    messageId: t.id({
      description: 'A past message with its own data, user and tenant; what is given beside it goes over those.',
    }),
    data: t.field({
      type: 'JSONObject',
      description: "Of a template with a dataSchema, checked as a send's would be. Left out: it is shown without, unchecked.",
    }),
    userId: t.id({ description: 'A user who is there, whose profile and brand it is shown with.' }),
    profile: t.field({ type: 'JSONObject', description: "Over the user's." }),
    tenantId: t.id({ description: "Left out: the user's, where they have one alone." }),
    brandId: t.id({ description: "Over the tenant's brand." }),
    locale: t.string({ description: 'A language tag (BCP 47).' }),
    channels: t.field({ type: [Channel], description: 'Left out: every channel that the content has something for.' }),
    providerId: t.id({
      description: 'As this account would send it, and nothing else; instead of channels.',
    }),
  }),
})

const PreviewLink = builder.objectRef<{ readonly url: string; readonly expiresAt: Date }>('PreviewLink').implement({
  description: 'A page that shows a preview to whoever has its address, without a key, until then.',
  authScopes: OF_A_PREVIEW,
  fields: (t) => ({
    url: t.exposeString('url'),
    expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
  }),
})

builder.queryFields((t) => ({
  preview: t.field({
    type: [RenderedOutput],
    description:
      'Renders a template, a content or a past message, and sends nothing: for each channel, and for each account that the content names. A channel that the content has nothing for is left out, unless it is asked for by name; one that cannot show what it has is an error.',
    authScopes: OF_A_PREVIEW,
    args: { input: t.arg({ type: PreviewInput, required: true }) },
    resolve: async (_root, { input }, context) => {
      const checked = checkPreview(input as Asked)
      const preview = await context.graph.preview(actorOf(context).environmentId, checked)
      refuseUnrendered(preview, checked)
      return [...preview.outputs]
    },
  }),
  previewLink: t.field({
    type: PreviewLink,
    description:
      'A page with the same preview, a mail at desktop and phone width, light and dark; it also tells which channels cannot show what they have, and why. It holds for a day; its address holds what is asked for, so a long content is better put as a draft.',
    authScopes: OF_A_PREVIEW,
    args: { input: t.arg({ type: PreviewInput, required: true }) },
    resolve: async (_root, { input }, context) => {
      const { environmentId } = actorOf(context)
      const { graph } = context
      await graph.preview(environmentId, checkPreview(input as Asked))
      return graph.previewLinks.make(environmentId, input as Asked)
    },
  }),
}))
