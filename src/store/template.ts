import { sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Db, Tx } from './database.ts'

/** A template that is there, as those who change it see it. */
export interface TemplateRow {
  /** As domain/template.ts put it. */
  readonly draft: unknown
  /** The number of the version that sends use; null: none. */
  readonly published: number | null
  /** The highest number given to a version. */
  readonly newest: number
}

export interface DraftRow {
  readonly environmentId: string
  readonly id: string
  readonly name: string
  readonly tags: readonly string[]
  readonly draft: object
  readonly now: Date
}

/** Makes a template, or replaces its name, tags and draft. One that was deleted begins again, but for the count of its versions. */
export async function putDraft(tx: Tx, { environmentId, id, name, tags, draft, now }: DraftRow): Promise<void> {
  await sql`
    insert into template as t (environment_id, id, name, tags, draft, created_at, updated_at)
    values (${environmentId}, ${id}, ${name}, ${tags}::text[], ${JSON.stringify(draft)}::jsonb, ${now}, ${now})
    on conflict (environment_id, id) do update
    set name = excluded.name, tags = excluded.tags, draft = excluded.draft, updated_at = excluded.updated_at, deleted_at = null,
        created_at = case when t.deleted_at is null then t.created_at else excluded.created_at end`.execute(tx)
}

/** Null where there is none; otherwise nobody else changes it until the transaction ends. */
export async function lockTemplate(tx: Tx, environmentId: string, id: string): Promise<TemplateRow | null> {
  const { rows } = await sql<TemplateRow>`
    select draft, published, newest from template
    where environment_id = ${environmentId} and id = ${id} and deleted_at is null
    for no key update`.execute(tx)
  return rows[0] ?? null
}

/** What the draft says; null where there is no such template. */
export async function readDraft(db: Db, environmentId: string, id: string): Promise<unknown> {
  const row = await db
    .selectFrom('template')
    .select('draft')
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  return row?.draft ?? null
}

/** False where there was none. Its versions stay: they are what messages were sent with, and what the last of them still need. */
export async function markDeleted(tx: Tx, environmentId: string, id: string, now: Date): Promise<boolean> {
  const { rows } = await sql`
    update template set deleted_at = ${now}, published = null
    where environment_id = ${environmentId} and id = ${id} and deleted_at is null
    returning id`.execute(tx)
  return rows.length > 0
}

/** Has sends use a version from now on. body: of a version that is new; undefined for one that is there. */
export async function publish(
  tx: Tx,
  { environmentId, id, number, body, now }: VersionRef & { readonly body?: unknown; readonly now: Date },
): Promise<void> {
  if (body !== undefined) {
    await sql`
      insert into template_version (environment_id, template_id, number, body, published_at)
      values (${environmentId}, ${id}, ${number}, ${JSON.stringify(body)}::jsonb, ${now})`.execute(tx)
  }
  await sql`
    update template set published = ${number}, newest = greatest(newest, ${number}), updated_at = ${now}
    where environment_id = ${environmentId} and id = ${id}`.execute(tx)
}

/** The first template whose published version names the topic or brand, by id; null where none does. */
export async function findTemplateWith(
  tx: Tx,
  environmentId: string,
  named: { readonly topicId: string } | { readonly brandId: string },
): Promise<string | null> {
  const names =
    'topicId' in named
      ? sql`v.body ->> 'topicId' = ${named.topicId}`
      : sql`${named.brandId} in (v.body ->> 'brandId', v.body #>> '{channels,EMAIL,brandId}')`
  const { rows } = await sql<{ id: string }>`
    select t.id
    from template t
    join template_version v on v.environment_id = t.environment_id and v.template_id = t.id and v.number = t.published
    where t.environment_id = ${environmentId} and ${names}
    order by t.id limit 1`.execute(tx)
  return rows[0]?.id ?? null
}

export interface TemplateRef {
  readonly environmentId: string
  readonly id: string
}

export interface VersionRef extends TemplateRef {
  readonly number: number
}

/** Names a version, in the maps below. */
export const versionKey = ({ environmentId, id, number }: VersionRef) => `${environmentId}\n${id}\n${number}`

/** What a version says; null where there is none. */
export async function readVersion(tx: Tx, { environmentId, id, number }: VersionRef): Promise<unknown> {
  const row = await tx
    .selectFrom('template_version')
    .select('body')
    .where('environment_id', '=', environmentId)
    .where('template_id', '=', id)
    .where('number', '=', number)
    .executeTakeFirst()
  return row?.body ?? null
}

/** Reads versions. What one says never changes, so a process asks for it once and hands out the same object for it. */
export interface TemplateVersions {
  /** By `versionKey`; those that are not there are left out. db may be a transaction. */
  read(db: Db, refs: readonly VersionRef[]): Promise<ReadonlyMap<string, unknown>>
  /** The numbers that sends use now, by `${environmentId}\n${id}`: null where nothing is published. Those that are not there are left out. */
  readPublished(db: Db, refs: readonly TemplateRef[]): Promise<ReadonlyMap<string, number | null>>
  /** What sends used when this was last asked, out of memory; null where that is not known any more. Something else may be published since. */
  lastPublished(ref: TemplateRef): { readonly number: number; readonly body: unknown } | null
}

/** In characters of JSON. */
const KEPT = 64 * 1024 * 1024
const NUMBERS_KEPT = 10_000

export function createTemplateVersions(): TemplateVersions {
  const kept = new LRUCache<string, object>({ maxSize: KEPT })
  const numbers = new LRUCache<string, number>({ max: NUMBERS_KEPT })
  return {
    async read(db, refs) {
      const found = new Map<string, unknown>()
      const unknown = new Map<string, VersionRef>()
      for (const ref of refs) {
        const key = versionKey(ref)
        const body = kept.get(key)
        if (body === undefined) unknown.set(key, ref)
        else found.set(key, body)
      }
      for (const { key, text } of await readBodies(db, [...unknown.values()])) {
        // Two who asked at once are given the same.
        const body = kept.get(key) ?? (JSON.parse(text) as object)
        kept.set(key, body, { size: text.length })
        found.set(key, body)
      }
      return found
    },
    async readPublished(db, refs) {
      const published = await readPublished(db, refs)
      for (const [key, number] of published) numbers.set(key, number ?? undefined)
      return published
    },
    lastPublished(ref) {
      const number = numbers.get(templateKey(ref))
      const body = number === undefined ? undefined : kept.get(versionKey({ ...ref, number }))
      return number === undefined || body === undefined ? null : { number, body }
    },
  }
}

const templateKey = ({ environmentId, id }: TemplateRef) => `${environmentId}\n${id}`

async function readPublished(db: Db, refs: readonly TemplateRef[]): Promise<ReadonlyMap<string, number | null>> {
  if (refs.length === 0) return new Map()
  const { rows } = await sql<{ key: string; published: number | null }>`
    /* prepared: published */
    select t.environment_id || E'\n' || t.id as key, t.published
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.id)}::text[]) as ref(environment_id, id)
    join template t on t.environment_id = ref.environment_id and t.id = ref.id
    where t.deleted_at is null`.execute(db)
  return new Map(rows.map(({ key, published }) => [key, published]))
}

async function readBodies(
  db: Db,
  refs: readonly VersionRef[],
): Promise<readonly { readonly key: string; readonly text: string }[]> {
  if (refs.length === 0) return []
  const { rows } = await sql<VersionRef & { text: string }>`
    select v.environment_id as "environmentId", v.template_id as id, v.number, v.body::text as text
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.id)}::text[],
                ${refs.map((ref) => ref.number)}::int[]) as ref(environment_id, id, number)
    join template_version v
      on v.environment_id = ref.environment_id and v.template_id = ref.id and v.number = ref.number`.execute(db)
  return rows.map(({ text, ...ref }) => ({ key: versionKey(ref), text }))
}
