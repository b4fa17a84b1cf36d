import { badInput } from '../errors.ts'
import { findInboxStates } from '../store/inbox-mark.ts'
import type { Command } from './command.ts'
import { type InboxMark, markInboxes } from './inbox.ts'
import { applyEngagements } from './tracking.ts'
import { userOf } from './visibility.ts'

export interface MarkInboxInput {
  readonly ids: readonly string[]
  readonly as: InboxMark
  /** A user token's own where absent. */
  readonly userId?: string | null
}

/** Their inboxes' log waits for them. */
const MOST_MARKED = 1_000

/**
 * Marks messages in one user's inboxes; the answer is whose they are, and the ids of those that are there, in the order given. What was
 * opened or clicked there moves the message itself as well.
 *
 * @throws Refusal BAD_USER_INPUT where a key names no user, and for over 1,000 ids; NOT_FOUND for a user that a token may not act for
 */
export const markInboxMessages: Command<MarkInboxInput, { readonly userId: string; readonly ids: readonly string[] }> = async (
  scope,
  { ids, as, userId: named },
) => {
  if (ids.length > MOST_MARKED) {
    throw badInput(['ids'], `'ids' may name at most ${MOST_MARKED.toLocaleString('en')} messages.`)
  }
  const { environmentId } = scope.actor
  const userId = userOf(scope.actor, named)
  // A token that was issued for one tenant acts in that one's inbox alone.
  const tenantId = scope.actor.kind === 'token' ? scope.actor.tenantId : null
  const found = await findInboxStates(scope.tx, { environmentId, userId, tenantId }, ids)
  const there = new Set(found.map(({ id }) => id))
  if (as === 'OPENED' || as === 'CLICKED') {
    const news = found.filter(({ openedAt, clickedAt }) => (as === 'OPENED' ? openedAt : clickedAt) === null)
    const about = { channel: 'INBOX', providerId: null, what: as } as const
    await applyEngagements(
      scope,
      environmentId,
      news.map(({ id: messageId }) => ({ messageId, ...about })),
    )
  }
  await markInboxes(
    scope,
    environmentId,
    [...there].map((messageId) => ({ messageId, mark: as })),
  )
  return { userId, ids: [...new Set(ids)].filter((id) => there.has(id)) }
}
