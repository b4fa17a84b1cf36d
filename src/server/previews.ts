import type { ShowPreview } from '../domain/preview.ts'
import { checkPreview } from '../domain/preview-input.ts'
import type { PreviewLinks } from '../domain/preview-link.ts'
import { Refusal } from '../errors.ts'
import { previewPage, refusedPreviewPage, unknownPreviewPage } from './preview-page.ts'
import type { Page, Route } from './route.ts'

export interface PreviewPagesOptions {
  readonly links: Pick<PreviewLinks, 'open'>
  readonly preview: ShowPreview
}

/**
 * What a preview link leads to, without a login: /preview/<token>. A token that is not ours, or whose day is over, is 404; what
 * it names and is gone by now, and what cannot be rendered, is said.
 */
export function createPreviewPages(options: PreviewPagesOptions): Route {
  return { path: '/preview', methods: ['GET', 'HEAD'], answer: ({ url }) => answer(url, options) }
}

async function answer(url: URL, { links, preview }: PreviewPagesOptions): Promise<Page> {
  const link = links.open(url.pathname.slice('/preview/'.length))
  if (link === null) return unknownPreviewPage()
  const { environmentId, input, expiresAt } = link
  try {
    return previewPage(await preview(environmentId, checkPreview(input)), expiresAt)
  } catch (error) {
    if (error instanceof Refusal) return refusedPreviewPage(error.status, error.message)
    throw error
  }
}
