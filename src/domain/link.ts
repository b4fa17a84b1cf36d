import { z } from 'zod'
import type { Vault } from './command.ts'

/** Whom a link to a page of ours acts for. tenantId: in which tenant's context; null for none. */
export interface PreferencesLink {
  readonly environmentId: string
  readonly userId: string
  readonly tenantId: string | null
}

/** And from which topic it unsubscribes. */
export interface UnsubscribeLink extends PreferencesLink {
  readonly topicId: string
}

/**
 * Links that act for one user without a login: whoever holds one may do that one thing. A link says nothing of whom it is
 * for, cannot be guessed or changed, holds for one purpose, and outlives the rotation of CARILLON_SECRET. It does not
 * expire, since a mail may be opened years later; it ends with the user, or with the key that made it.
 */
export interface Links {
  /** Opts one user out of one topic: shows a page on GET, acts on POST (RFC 8058). */
  unsubscribeUrl(link: UnsubscribeLink): string
  /** One user's own preferences: all topics. */
  preferencesUrl(link: PreferencesLink): string
  /** Null for what was not made here for this purpose, whatever is wrong with it. */
  openUnsubscribe(token: string): UnsubscribeLink | null
  openPreferences(token: string): PreferencesLink | null
}

export interface LinkVault extends Pick<Vault, 'open'> {
  sealSame(plain: string, place: string): string
}

const UNSUBSCRIBE = 'link/unsubscribe'
const PREFERENCES = 'link/preferences'
/** More than four ids of 256 characters come to, sealed. What is longer is not read. */
const LONGEST = 8_192

/** Short, for it stands in every mail: environment, user, tenant, topic. */
const preferencesShape = z.tuple([z.string(), z.string(), z.string().nullable()])
const unsubscribeShape = z.tuple([z.string(), z.string(), z.string().nullable(), z.string()])

/**
 * @param parts vault: seals the links, place being their purpose; a link is the same each time, as a provider that tells a
 *   repetition by what the mail says needs it to be. publicUrl: where people reach us, no slash at its end; asked
 *   at each link, since a port is known only once it listens
 */
export function createLinks({ vault, publicUrl }: { readonly vault: LinkVault; readonly publicUrl: () => string }): Links {
  const seal = (place: string, path: string, parts: readonly (string | null)[]) =>
    `${publicUrl()}${path}/${vault.sealSame(JSON.stringify(parts), place)}`

  return {
    unsubscribeUrl: ({ environmentId, userId, tenantId, topicId }) =>
      seal(UNSUBSCRIBE, '/unsubscribe', [environmentId, userId, tenantId, topicId]),
    preferencesUrl: ({ environmentId, userId, tenantId }) => seal(PREFERENCES, '/preferences', [environmentId, userId, tenantId]),
    openUnsubscribe(token) {
      const parts = unsubscribeShape.safeParse(openLink(vault, token, UNSUBSCRIBE)).data
      if (parts === undefined) return null
      const [environmentId, userId, tenantId, topicId] = parts
      return { environmentId, userId, tenantId, topicId }
    },
    openPreferences(token) {
      const parts = preferencesShape.safeParse(openLink(vault, token, PREFERENCES)).data
      if (parts === undefined) return null
      const [environmentId, userId, tenantId] = parts
      return { environmentId, userId, tenantId }
    },
  }
}

/** Links to be looked at, that act for nobody: whoever may ask what a user would be shown may not act for them. */
export function previewLinks(publicUrl: () => string): Pick<Links, 'unsubscribeUrl' | 'preferencesUrl'> {
  return {
    unsubscribeUrl: () => `${publicUrl()}/unsubscribe/preview`,
    preferencesUrl: () => `${publicUrl()}/preferences/preview`,
  }
}

/** The parts that a link was sealed of; null for what was not sealed here for this place. */
export function openLink(vault: Pick<Vault, 'open'>, token: string, place: string): unknown {
  if (token.length > LONGEST) return null
  try {
    return JSON.parse(vault.open(token, place))
  } catch {
    return null
  }
}
