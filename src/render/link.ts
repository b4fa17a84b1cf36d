import { createHmac } from 'node:crypto'
import type { Relink } from './html.ts'
import type { RenderJob } from './job.ts'

/**
 * What becomes of a message's links: http(s) addresses say in their query where the click came from (utm_source and so on,
 * each where they have none of their own), and lead through us where clicks are tracked and the link's author did not say
 * otherwise. The reader's own pages (to unsubscribe, to choose) stay as they are.
 */
export function createRelink({ tracking: { utm, clicks }, values: { urls } }: Pick<RenderJob, 'tracking' | 'values'>): Relink {
  const own = new Set([urls.unsubscribe, urls.preferences])
  return (url, untracked) => {
    if (!/^https?:/i.test(url) || own.has(url)) return url
    const told = utm === null ? url : withUtm(url, utm)
    if (clicks === null || untracked) return told
    return `${clicks.base}/${signLink(clicks.key, told)}?u=${encodeURIComponent(told.toWellFormed())}`
  }
}

/** Says that a link is one of ours, so that nobody else's can be had from us: 22 characters, a HMAC of SHA-256 cut to 132 bits. */
export function signLink(key: string, link: string): string {
  return createHmac('sha256', key).update(link).digest('base64url').slice(0, 22)
}

function withUtm(url: string, utm: Readonly<Record<string, string>>): string {
  const [, address = url, query, fragment = ''] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(url) ?? []
  const has = new URLSearchParams(query)
  const added = Object.entries(utm)
    .filter(([name, value]) => value && !has.has(`utm_${name}`))
    .map(([name, value]) => `utm_${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`)
  if (added.length === 0) return url
  const joint = query === undefined ? '?' : /[?&]$/.test(query) ? '' : '&'
  return `${address}${query ?? ''}${joint}${added.join('&')}${fragment}`
}
