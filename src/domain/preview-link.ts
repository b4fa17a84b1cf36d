import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { badInput } from '../errors.ts'
import type { Vault } from './command.ts'
import type { PreviewInput } from './preview-input.ts'

/** What a link to the page of a preview shows. */
export interface LinkedPreview {
  readonly environmentId: string
  readonly input: PreviewInput
  readonly expiresAt: Date
}

/**
 * Links to a page that shows what a preview would. Whoever holds one sees it, without a login, for a day: templates and past
 * messages as they are when it is opened. It says nothing of what it shows and can be neither guessed nor changed.
 */
export interface PreviewLinks {
  /** @throws Refusal BAD_USER_INPUT where the link would be longer than 8,000 characters */
  make(environmentId: string, input: PreviewInput): { readonly url: string; readonly expiresAt: Date }
  /** Null for what was not made here, or has expired. */
  open(token: string): LinkedPreview | null
}

const PLACE = 'link/preview'
const DAY_MS = 24 * 3_600_000
/** Proxies and servers, ours too, take no longer lines. */
const LONGEST = 8_000
/** What was compressed is ours, so this is never reached. */
const MOST_BYTES = 8 * 1024 * 1024

export interface PreviewLinksParts {
  readonly vault: Vault
  /** No slash at its end. */
  readonly publicUrl: () => string
  readonly now: () => Date
}

export function createPreviewLinks({ vault, publicUrl, now }: PreviewLinksParts): PreviewLinks {
  return {
    make(environmentId, input) {
      const expiresAt = new Date(now().getTime() + DAY_MS)
      const said = deflateRawSync(JSON.stringify([environmentId, expiresAt.getTime(), input]), { level: 9 })
      const url = `${publicUrl()}/preview/${vault.seal(said.toString('base64url'), PLACE)}`
      if (url.length > LONGEST) {
        const most = LONGEST.toLocaleString('en')
        throw badInput(
          ['input'],
          `The link would be longer than ${most} characters: put the content as a template's draft, and ask for that.`,
        )
      }
      return { url, expiresAt }
    },
    open(token) {
      if (token.length > LONGEST) return null
      const said = opened(vault, token)
      if (said === null) return null
      const [environmentId, at, input] = JSON.parse(said) as [string, number, PreviewInput]
      return at > now().getTime() ? { environmentId, input, expiresAt: new Date(at) } : null
    },
  }
}

function opened(vault: Vault, token: string): string | null {
  try {
    const said = Buffer.from(vault.open(token, PLACE), 'base64url')
    return inflateRawSync(said, { maxOutputLength: MOST_BYTES }).toString()
  } catch {
    return null
  }
}
