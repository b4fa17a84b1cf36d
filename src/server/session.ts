import type { Logger } from 'pino'
import type { Authenticate } from '../domain/access.ts'
import type { Actor } from '../domain/actor.ts'
import { Refusal } from '../errors.ts'

/** Something that stays open on the strength of a credential: a socket, a stream. */
export interface Session {
  readonly authorization: string | null
  readonly actor: Actor
  /** Its credential expired or was revoked. */
  end(): void
}

export interface Sessions {
  hold(session: Session): () => void
  /** Looks again at the credentials whose time has come; to be called each second or so. */
  review(now: number): void
}

/** The longest delay a timer of Node takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Ends sessions whose credential no longer holds: a user token at its expiry, a revoked key or token at the next look,
 * which comes every `intervalMs` for each.
 */
export function createSessions(authenticate: Authenticate, intervalMs: number, log: Logger): Sessions {
  const due = new Map<Session, number>()

  const check = async (session: Session): Promise<void> => {
    try {
      await authenticate(session.authorization)
    } catch (error) {
      if (error instanceof Refusal) session.end()
      else log.error({ err: error }, 'a credential could not be looked at again')
    }
  }

  return {
    hold(session) {
      due.set(session, Date.now() + intervalMs)
      const expiry = expiryTimer(session)
      return () => {
        due.delete(session)
        clearTimeout(expiry)
      }
    },
    review(now) {
      for (const [session, at] of due) {
        if (at > now) continue
        due.set(session, now + intervalMs)
        void check(session)
      }
    },
  }
}

function expiryTimer({ actor, end }: Session): NodeJS.Timeout | undefined {
  if (actor.kind !== 'token') return undefined
  const delay = actor.expiresAt.getTime() - Date.now()
  return setTimeout(end, Math.min(Math.max(delay, 0), LONGEST_TIMER_MS)).unref()
}
