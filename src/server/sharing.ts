import canonicalize from 'canonicalize'
import { type DocumentNode, Kind, type OperationDefinitionNode, visit } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { Actor } from '../domain/actor.ts'
import type { Answer, Operation } from './execution.ts'

/** One subscription's place among those that ask the same with the same rights. */
export interface Member {
  /** The answer's JSON: a string at once where another of the group has it already. */
  deliver(event: unknown, answer: () => Promise<Answer>): string | Promise<string>
  leave(): void
}

export interface Sharing {
  join(operation: Operation): Member
}

/** Enough for every group that is at work on a burst of events; older answers are executed again. */
const REMEMBERED_ANSWERS = 4_096
const REMEMBERED_BYTES = 16 * 1024 * 1024

interface Group {
  readonly key: string
  readonly number: number
  members: number
}

/**
 * Executes an event once for all subscriptions that would get the same answer: same document and operation, same
 * variables (but for one that only says where to begin), same rights. Events are told apart by identity, so their source must
 * hand the same object to all. A subscription that is alone in its group remembers nothing.
 */
export function createSharing(): Sharing {
  const groups = new Map<string, Group>()
  const eventNumbers = new WeakMap<object, number>()
  const underWay = new Map<string, Promise<string>>()
  const answers = new LRUCache<string, string>({
    max: REMEMBERED_ANSWERS,
    maxSize: REMEMBERED_BYTES,
    sizeCalculation: (json) => Buffer.byteLength(json),
  })
  let lastGroup = 0
  let lastEvent = 0

  const numberOf = (event: object): number => {
    const known = eventNumbers.get(event)
    if (known !== undefined) return known
    lastEvent += 1
    eventNumbers.set(event, lastEvent)
    return lastEvent
  }

  const enter = (key: string): Group => {
    const known = groups.get(key)
    if (known) return known
    lastGroup += 1
    const group: Group = { key, number: lastGroup, members: 0 }
    groups.set(key, group)
    return group
  }

  const deliver = (group: Group, event: unknown, answer: () => Promise<Answer>): string | Promise<string> => {
    if (group.members < 2 || typeof event !== 'object' || event === null) return jsonOf(answer)
    const key = `${numberOf(event)}:${group.number}`
    return answers.get(key) ?? underWay.get(key) ?? begin(key, answer)
  }

  const begin = (key: string, answer: () => Promise<Answer>): Promise<string> => {
    const begun = jsonOf(answer)
      .then((json) => {
        answers.set(key, json)
        return json
      })
      .finally(() => underWay.delete(key))
    underWay.set(key, begun)
    return begun
  }

  return {
    join(operation) {
      const group = enter(groupKey(operation))
      group.members += 1
      return {
        deliver: (event, answer) => deliver(group, event, answer),
        leave: () => {
          group.members -= 1
          if (group.members === 0) groups.delete(group.key)
        },
      }
    },
  }
}

/** Everything that decides what an actor may see. Equal for two actors: they get the same answers. */
function rightsKey(actor: Actor): string {
  if (actor.kind === 'key') return JSON.stringify(['key', actor.environmentId, actor.mode, [...actor.scopes].sort()])
  const { environmentId, userId, tenantId, requestIds, jobIds, scopes } = actor
  return JSON.stringify([
    'token',
    environmentId,
    userId,
    tenantId,
    [...requestIds].sort(),
    [...jobIds].sort(),
    [...scopes].sort(),
  ])
}

/**
 * The names of variables that are used for the root field's `after` and nowhere else: they decide which events come,
 * not how one looks.
 */
function startVariables(document: DocumentNode, operation: OperationDefinitionNode): ReadonlySet<string> {
  const uses = new Map<string, number>()
  visit(document, {
    VariableDefinition: () => false,
    Variable: (node) => {
      uses.set(node.name.value, (uses.get(node.name.value) ?? 0) + 1)
    },
  })
  const starts = new Set<string>()
  for (const field of operation.selectionSet.selections) {
    if (field.kind !== Kind.FIELD) continue
    for (const { name, value } of field.arguments ?? []) {
      if (name.value === 'after' && value.kind === Kind.VARIABLE && uses.get(value.name.value) === 1) starts.add(value.name.value)
    }
  }
  return starts
}

function groupKey(operation: Operation): string {
  const starts = startVariables(operation.document, operation.node)
  const variables = Object.fromEntries(Object.entries(operation.variables).filter(([name]) => !starts.has(name)))
  return JSON.stringify([rightsKey(operation.actor), operation.source, operation.operationName, canonicalize(variables)])
}

async function jsonOf(answer: () => Promise<Answer>): Promise<string> {
  return JSON.stringify(await answer())
}
