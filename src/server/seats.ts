import type { Actor } from '../domain/actor.ts'
import type { Limits } from './limits.ts'

type Leave = () => void

/** How many connections stay open, sockets and streams alike: of the process, and of each user. */
export interface Seats {
  /** Whether the process has none left. */
  readonly full: boolean
  /** Takes one of the process's; the answer gives it back. */
  take(): Leave
  /** Takes one of a user token's user; null when all are taken. Connections of API keys are not counted. */
  takeAs(actor: Actor): Leave | null
}

export function createSeats({ socketsPerUser, socketsPerProcess }: Pick<Limits, 'socketsPerUser' | 'socketsPerProcess'>): Seats {
  const perUser = new Map<string, number>()
  let taken = 0

  const leaveAs = (user: string) => {
    const left = (perUser.get(user) ?? 0) - 1
    if (left > 0) perUser.set(user, left)
    else perUser.delete(user)
  }

  return {
    get full() {
      return taken >= socketsPerProcess
    },
    take() {
      taken += 1
      return () => {
        taken -= 1
      }
    },
    takeAs(actor) {
      const user = userOf(actor)
      if (user === null) return () => {}
      const sitting = perUser.get(user) ?? 0
      if (sitting >= socketsPerUser) return null
      perUser.set(user, sitting + 1)
      return () => leaveAs(user)
    },
  }
}

function userOf(actor: Actor): string | null {
  return actor.kind === 'token' && actor.userId !== null ? JSON.stringify([actor.environmentId, actor.userId]) : null
}
