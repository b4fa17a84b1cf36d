import { type RawBuilder, sql } from 'kysely'

/** What an audience asks of a user: one condition, or a group of which all (AND) or any (OR) must hold. */
export type AudienceFilter = AudienceGroup | AudienceCondition

export interface AudienceGroup {
  readonly operator: 'AND' | 'OR'
  /** At least one. */
  readonly filters: readonly AudienceFilter[]
}

export interface AudienceCondition {
  readonly operator: ConditionOperator
  /** Into the profile, its parts divided by dots: `address.country`. Not for MEMBER_OF. */
  readonly path?: string
  readonly value?: unknown
}

export const CONDITION_OPERATORS = [
  'EQ',
  'NEQ',
  'GT',
  'GTE',
  'LT',
  'LTE',
  'EXISTS',
  'INCLUDES',
  'OMIT',
  'STARTS_WITH',
  'ENDS_WITH',
  'IS_BEFORE',
  'IS_AFTER',
  'MEMBER_OF',
] as const
export type ConditionOperator = (typeof CONDITION_OPERATORS)[number]

/** A text that is compared as a number: at most 15 digits before and after the point. Read alike by JavaScript and PostgreSQL. */
export const DECIMAL = /^-?[0-9]{1,15}(\.[0-9]{1,15})?$/

type Sql = RawBuilder<boolean>

/**
 * Whether the filter holds for the row of "user" called `u`: true or false, never null. Whatever a caller gave is a parameter,
 * and no profile ends the query: PostgreSQL may evaluate the sides of an AND in any order, so what could throw stands behind
 * a CASE.
 *
 * - A path is followed as by PostgreSQL's `#>`: a part that is an integer also picks an entry of a list (-1: its last).
 * - EQ: the value there equals `value` as JSON (1 and 1.0 are equal); a text that reads as a JSON number, true or false also
 *   equals that, since many callers give every value as a text. NEQ is exactly what EQ is not: it holds where there is no value.
 * - GT, GTE, LT, LTE: between numbers, and texts that read as DECIMAL; anything else does not match.
 * - EXISTS: true, "true" or nothing: there is a value other than null; false or "false": there is none.
 * - INCLUDES: the list there holds an entry that EQ would match with one of the given, or the text there has one of the given
 *   texts as a part. OMIT is exactly what INCLUDES is not.
 * - STARTS_WITH, ENDS_WITH: between texts. Case counts here and everywhere.
 * - IS_BEFORE, IS_AFTER: between ISO 8601 instants or dates; a date is its midnight, and without an offset it is UTC.
 * - MEMBER_OF: the user is a member of one of the tenants themselves, not only of a tenant under them.
 */
export function audienceCondition(environmentId: string, filter: AudienceFilter): Sql {
  if (!isGroup(filter)) return CONDITIONS[filter.operator](leafOf(environmentId, filter))
  const parts = filter.filters.map((part) => audienceCondition(environmentId, part))
  return filter.operator === 'AND' ? all(parts) : any(parts)
}

/** How the members of a tenant are named to PostgreSQL: as a table, to be joined; or as an array, to be looked up in an index. */
type Naming = 'as table' | 'as array'

/**
 * What every match fulfils and an index finds: `u` holds the value that EQ asks for (the index on profiles), or is one of the
 * members of a tenant. Null where the filter has nothing of that kind.
 *
 * @param inOr members that are one of several alternatives: only as an array do they combine with the index on profiles, and
 *   that is for some thousands of them; as a table, all users are looked through
 */
export function audiencePrefilter(environmentId: string, filter: AudienceFilter, inOr: Naming): Sql | null {
  return prefilterOf(filter, 'as table')

  function prefilterOf(part: AudienceFilter, naming: Naming): Sql | null {
    if (!isGroup(part)) return conditionPrefilter(environmentId, part, naming)
    if (part.operator === 'OR') {
      const found = part.filters.map((one) => prefilterOf(one, inOr)).filter((one) => one !== null)
      return found.length === part.filters.length ? any(found) : null
    }
    // An array of unknown length is no help to what already has an index.
    const [light, heavy] = [part.filters.filter((one) => !hidesMembers(one)), part.filters.filter(hidesMembers)]
    for (const choice of [light, heavy]) {
      const found = choice.map((one) => prefilterOf(one, naming)).filter((one) => one !== null)
      if (found.length > 0) return all(found)
    }
    return null
  }
}

function hidesMembers(filter: AudienceFilter): boolean {
  return isGroup(filter) && filter.filters.some((part) => (isGroup(part) ? hidesMembers(part) : part.operator === 'MEMBER_OF'))
}

function conditionPrefilter(environmentId: string, { operator, path, value }: AudienceCondition, naming: Naming): Sql | null {
  if (operator === 'MEMBER_OF') {
    const members = sql`
      from tenant_member m where m.environment_id = ${environmentId} and m.tenant_id = any(${listOf(value)}::text[])`
    if (naming === 'as table') return sql`(u.environment_id, u.id) in (select m.environment_id, m.user_id ${members})`
    return sql`(u.environment_id = ${environmentId} and u.id = any(array(select m.user_id ${members})))`
  }
  const parts = partsOf(path)
  if (operator !== 'EQ' || parts.some(mayPickAnEntry)) return null
  return any(equals(value).map((one) => sql`u.profile @> ${JSON.stringify(nested(parts, one))}::jsonb`))
}

/** One condition, ready to be written. at: the JSON at its path; text: the same as text, null where there is none. */
interface Leaf {
  readonly environmentId: string
  readonly at: RawBuilder<unknown>
  readonly text: RawBuilder<string | null>
  readonly value: unknown
}

function leafOf(environmentId: string, { path, value }: AudienceCondition): Leaf {
  const parts = partsOf(path)
  return { environmentId, value, at: sql`(u.profile #> ${parts}::text[])`, text: sql`(u.profile #>> ${parts}::text[])` }
}

const CONDITIONS: { readonly [O in ConditionOperator]: (leaf: Leaf) => Sql } = {
  EQ: isEqual,
  NEQ: (leaf) => sql`not ${isEqual(leaf)}`,
  GT: (leaf) => compares(leaf, sql`>`),
  GTE: (leaf) => compares(leaf, sql`>=`),
  LT: (leaf) => compares(leaf, sql`<`),
  LTE: (leaf) => compares(leaf, sql`<=`),
  // `#>>` answers null for JSON's null as well.
  EXISTS: ({ text, value }) => (String(value ?? true) === 'true' ? sql`(${text} is not null)` : sql`(${text} is null)`),
  INCLUDES: includes,
  OMIT: (leaf) => sql`not ${includes(leaf)}`,
  STARTS_WITH: (leaf) => ofText(leaf, sql`starts_with(${leaf.text}, ${leaf.value}::text)`),
  ENDS_WITH: (leaf) => ofText(leaf, sql`right(${leaf.text}, length(${leaf.value}::text)) = ${leaf.value}::text`),
  IS_BEFORE: (leaf) => ofText(leaf, sql`coalesce(iso_instant(${leaf.text}) < iso_instant(${leaf.value}::text), false)`),
  IS_AFTER: (leaf) => ofText(leaf, sql`coalesce(iso_instant(${leaf.text}) > iso_instant(${leaf.value}::text), false)`),
  MEMBER_OF: isMember,
}

function isEqual({ at, value }: Leaf): Sql {
  return sql`coalesce(${at} = any(${asJson(equals(value))}::jsonb[]), false)`
}

function compares({ at, text, value }: Leaf, operator: RawBuilder<unknown>): Sql {
  const compared = sql`${text}::numeric ${operator} ${String(value)}::numeric`
  return sql`case jsonb_typeof(${at})
    when 'number' then ${compared}
    when 'string' then case when ${text} ~ ${DECIMAL.source} then ${compared} else false end
    else false end`
}

function includes({ at, text, value }: Leaf): Sql {
  const wanted = listOf(value)
  const texts = wanted.filter((one) => typeof one === 'string')
  // A list contains each of its entries on its own, compared as JSON.
  return sql`case jsonb_typeof(${at})
    when 'array' then ${at} @> any(${asJson(wanted.flatMap(equals))}::jsonb[])
    when 'string' then exists (select from unnest(${texts}::text[]) as part where strpos(${text}, part) > 0)
    else false end`
}

function ofText({ at }: Leaf, condition: Sql): Sql {
  return sql`case jsonb_typeof(${at}) when 'string' then ${condition} else false end`
}

/** Behind a CASE, so that it stays a condition of the row: as a join it would take the order of the scan away. */
function isMember({ environmentId, value }: Leaf): Sql {
  return sql`case when exists (
    select from tenant_member m
    where m.environment_id = ${environmentId} and m.user_id = u.id and m.tenant_id = any(${listOf(value)}::text[])
  ) then true else false end`
}

function isGroup(filter: AudienceFilter): filter is AudienceGroup {
  return filter.operator === 'AND' || filter.operator === 'OR'
}

const all = (parts: readonly Sql[]): Sql => sql`(${sql.join(parts, sql` and `)})`
const any = (parts: readonly Sql[]): Sql => sql`(${sql.join(parts, sql` or `)})`
const partsOf = (path = ''): string[] => path.split('.')
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])
const asJson = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value))

/** Where a path may lead through a list, containment by objects would miss what it finds. */
const mayPickAnEntry = (part: string) => /^\s*[+-]?\d+$/.test(part)

function nested(parts: readonly string[], value: unknown): unknown {
  return parts.reduceRight((inner, part) => ({ [part]: inner }), value)
}

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/

/** What equals a given value: itself, and for a text the number or boolean that it reads as. A number that no profile can hold is none. */
function equals(value: unknown): unknown[] {
  if (value === 'true' || value === 'false') return [value, value === 'true']
  if (typeof value !== 'string' || !JSON_NUMBER.test(value)) return [value]
  const number = Number(value)
  const isKept = Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number))
  return isKept ? [value, number] : [value]
}
