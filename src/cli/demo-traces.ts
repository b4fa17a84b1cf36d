import type { Api } from './api.ts'

/** What the demo makes on a server and takes away again, in this order. */
const DELETIONS = {
  user: 'mutation ($id: ID!) { deleteUser(userId: $id) }',
  list: 'mutation ($id: ID!) { deleteList(id: $id) }',
  tenant: 'mutation ($id: ID!) { deleteTenant(id: $id) }',
  template: 'mutation ($id: ID!) { deleteTemplate(id: $id) }',
  // Refused while a tenant wears it.
  brand: 'mutation ($id: ID!) { deleteBrand(id: $id) }',
  topic: 'mutation ($id: ID!) { deleteTopic(id: $id) }',
  provider: 'mutation ($id: ID!) { deleteProvider(id: $id) }',
}

type Kind = keyof typeof DELETIONS

export interface Traces {
  /** To be called before it is made: an answer that never comes says nothing about what was done. */
  add(kind: Kind, ...ids: readonly string[]): void
  /** Deletes all that was added, users first. A sentence about each that was not deleted. */
  remove(): Promise<readonly string[]>
}

/** @param open a connection that a scene's early end does not end */
export function createTraces(open: () => Api): Traces {
  const kept = new Map<Kind, Set<string>>()
  return {
    add(kind, ...ids) {
      kept.set(kind, new Set([...(kept.get(kind) ?? []), ...ids]))
    },
    async remove() {
      const api = open()
      const complaints: string[] = []
      for (const [kind, document] of Object.entries(DELETIONS) as [Kind, string][]) {
        const ids = [...(kept.get(kind) ?? [])]
        kept.delete(kind)
        const ends = await Promise.allSettled(ids.map((id) => api.call(document, { id })))
        complaints.push(
          ...ends.flatMap((end, at) =>
            end.status === 'rejected' ? [`the ${kind} ${ids[at]} was not deleted: ${(end.reason as Error).message}`] : [],
          ),
        )
      }
      await api.close()
      return complaints
    },
  }
}
