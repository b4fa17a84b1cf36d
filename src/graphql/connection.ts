import type { ObjectRef } from '@pothos/core'
import { badInput, Refusal } from '../errors.ts'
import { OF_ITS_FIELD } from './access.ts'
import { builder } from './builder.ts'
import { actorOf, type Context } from './context.ts'

/** How a list names the places in it: a cursor for each row, and back. */
export interface Places<Row, Place> {
  encode(row: Row): string | Promise<string>
  /** Throws BAD_CURSOR. */
  decode(cursor: string): Place
}

export interface ConnectionShape<Row> {
  readonly edges: readonly { readonly cursor: string; readonly node: Row }[]
  readonly nodes: readonly Row[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
}

export interface PageArgs {
  readonly first?: number | null
  readonly after?: string | null
}

type Types = typeof builder.$inferSchemaTypes

const MOST = 100
const PURPOSE = 'page'

export const PageInfo = builder.objectRef<ConnectionShape<unknown>['pageInfo']>('PageInfo').implement({
  description: 'Where a page stands in its list.',
  authScopes: OF_ITS_FIELD,
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage'),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage'),
    startCursor: t.exposeString('startCursor', { nullable: true }),
    endCursor: t.exposeString('endCursor', { nullable: true }),
  }),
})

/** The connection and edge types of a node type: `connectionOf<MessageRow>('Message', Message)` makes MessageConnection. */
export function connectionOf<Row>(name: string, node: ObjectRef<Types, Row, Row>) {
  type Edge = ConnectionShape<Row>['edges'][number]
  const edge = builder.objectRef<Edge>(`${name}Edge`).implement({
    description: `One ${name} of a page, with its cursor.`,
    authScopes: OF_ITS_FIELD,
    fields: (t) => ({
      cursor: t.exposeString('cursor'),
      node: t.field({ type: node, resolve: (parent) => parent.node as never }),
    }),
  })
  return builder.objectRef<ConnectionShape<Row>>(`${name}Connection`).implement({
    description: `A page of a list of ${name}.`,
    authScopes: OF_ITS_FIELD,
    fields: (t) => ({
      edges: t.field({ type: [edge], resolve: (parent) => parent.edges as Edge[] }),
      nodes: t.field({ type: [node], resolve: (parent) => parent.nodes as never }),
      pageInfo: t.field({ type: PageInfo, resolve: (parent) => parent.pageInfo }),
    }),
  })
}

/**
 * Cuts one page. `read` gets the place to go on after (null: from the start) and how many rows to bring; one more than
 * asked tells whether there is a next page.
 *
 * @throws Refusal BAD_USER_INPUT for `first` outside 0…100, BAD_CURSOR for a cursor that is not one of this list
 */
export async function page<Row, Place>(
  places: Places<Row, Place>,
  args: PageArgs,
  read: (after: Place | null, take: number) => Promise<readonly Row[]>,
): Promise<ConnectionShape<Row>> {
  const first = checkFirst(args.first)
  const rows = await read(args.after == null ? null : places.decode(args.after), first + 1)
  const edges = await Promise.all(rows.slice(0, first).map(async (node) => ({ cursor: await places.encode(node), node })))
  return {
    edges,
    nodes: edges.map((edge) => edge.node),
    pageInfo: {
      hasNextPage: rows.length > first,
      hasPreviousPage: args.after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

/** Which rows a page by id holds, as Prisma asks for them. */
interface IdRange {
  readonly where: { readonly environmentId: string; readonly id: { readonly gt: string } }
  readonly orderBy: { readonly id: 'asc' }
  readonly take: number
}

/** A page of rows by their ids, in the environment of whoever asks. list: as for keyset. */
export function pageById<Row extends { readonly id: string }>(
  context: Context,
  list: string,
  args: PageArgs,
  read: (range: IdRange) => Promise<readonly Row[]>,
): Promise<ConnectionShape<Row>> {
  const { environmentId } = actorOf(context)
  return page(
    keyset<Row>(context, list, ({ id }) => [id]),
    args,
    (after, take) => read({ where: { environmentId, id: { gt: after?.[0] ?? '' } }, orderBy: { id: 'asc' }, take }),
  )
}

/** A page size given in a variable passes the document's limits unseen, so it is held here as well. */
export function checkFirst(first: number | null | undefined): number {
  const size = first ?? 20
  if (size < 0 || size > MOST) throw badInput(['first'], `'first' must be between 0 and ${MOST}.`)
  return size
}

/**
 * Places by the values a list is ordered by. Their cursors are signed, and hold in their own list and environment only.
 *
 * @param list names the list, so that a cursor of one is no cursor of another
 */
export function keyset<Row>(
  context: Context,
  list: string,
  keyOf: (row: Row) => readonly string[],
): Places<Row, readonly string[]> {
  const { signer } = context.graph
  const { environmentId } = actorOf(context)
  const signed = (key: string) => JSON.stringify([environmentId, list, key])
  return {
    encode(row) {
      const key = JSON.stringify(keyOf(row))
      return Buffer.from(`${signer.sign(PURPOSE, signed(key))} ${key}`).toString('base64url')
    },
    decode(cursor) {
      const [, signature, key] = /^(\S+) (.+)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
      if (signature && key && signer.verify(PURPOSE, signed(key), signature)) return JSON.parse(key) as string[]
      throw new Refusal('BAD_CURSOR', 'This cursor is not one of this list.')
    },
  }
}
