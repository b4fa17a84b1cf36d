import { badInput } from '../errors.ts'
import { type AudienceCondition, type AudienceFilter, type ConditionOperator, DECIMAL } from '../store/audience-filter.ts'
import { deleteRow, putRow } from '../store/row.ts'
import type { Command } from './command.ts'
import { checkId, checkName } from './id.ts'

/** A filter as a caller gives it: which of path, value and filters belong to an operator is checked. */
export interface AudienceFilterInput {
  readonly operator: 'AND' | 'OR' | ConditionOperator
  readonly path?: string | null
  readonly value?: unknown
  readonly filters?: readonly AudienceFilterInput[] | null
}

export interface PutAudienceInput {
  readonly id: string
  readonly name: string
  readonly description?: string | null
  readonly filter: AudienceFilterInput
}

/** Makes an audience or replaces the whole of it. Who is in it is asked each time, so there is nothing to compute here. */
export const putAudience: Command<PutAudienceInput, { id: string }> = async (scope, { id, name, description, filter }) => {
  checkId(id, ['id'])
  checkName(name, ['input', 'name'])
  await putRow(scope.tx, 'audience', {
    environment_id: scope.actor.environmentId,
    id,
    name,
    description: description ?? null,
    filter: JSON.stringify(checkAudienceFilter(filter, ['input', 'filter'])),
    created_at: scope.now,
    updated_at: scope.now,
  })
  return { id }
}

/** False where there was none. */
export const deleteAudience: Command<{ readonly id: string }, boolean> = (scope, { id }) =>
  deleteRow(scope.tx, 'audience', scope.actor.environmentId, id)

const MOST_CONDITIONS = 100
const MOST_LEVELS = 10
const MOST_VALUES = 100
const MOST_PARTS = 16
const MOST_IN_A_PART = 128

type Path = readonly (string | number)[]

/**
 * A filter as it is kept: without what was null. A filter has at most 100 conditions in at most 10 levels; a path 1 to 16 parts
 * of 1 to 128 characters; a list of values 1 to 100.
 *
 * @throws Refusal BAD_USER_INPUT with the path of the first part that is wrong
 */
export function checkAudienceFilter(input: AudienceFilterInput, path: Path): AudienceFilter {
  let conditions = 0

  function check(filter: AudienceFilterInput, at: Path, level: number): AudienceFilter {
    if (level > MOST_LEVELS) throw badInput(at, `A filter may be nested at most ${MOST_LEVELS} levels deep.`)
    const { operator } = filter
    if (operator === 'AND' || operator === 'OR') {
      const filters = partsOfGroup(filter, at).map((part, index) => check(part, [...at, 'filters', index], level + 1))
      return { operator, filters }
    }
    conditions += 1
    if (conditions > MOST_CONDITIONS) throw badInput(at, `A filter may have at most ${MOST_CONDITIONS} conditions.`)
    return checkCondition({ ...filter, operator }, at)
  }

  return check(input, path, 1)
}

function partsOfGroup({ operator, path, value, filters }: AudienceFilterInput, at: Path): readonly AudienceFilterInput[] {
  if (path != null) throw badInput([...at, 'path'], `'path' belongs to a condition; ${operator} takes 'filters' alone.`)
  if (value != null) throw badInput([...at, 'value'], `'value' belongs to a condition; ${operator} takes 'filters' alone.`)
  if (filters == null || filters.length === 0) {
    throw badInput([...at, 'filters'], `'filters' must hold at least one filter for ${operator}.`)
  }
  return filters
}

function checkCondition(
  { operator, path, value, filters }: AudienceFilterInput & { readonly operator: ConditionOperator },
  at: Path,
): AudienceCondition {
  if (filters != null) throw badInput([...at, 'filters'], `'filters' belong to AND and OR; ${operator} takes a 'value'.`)
  const { path: checkPath, value: isRight, right } = RULES[operator]
  checkPath(path, [...at, 'path'])
  if (!isRight(value ?? undefined)) throw badInput([...at, 'value'], `'value' must be ${right} for ${operator}.`)
  return { operator, ...(path != null && { path }), ...(value != null && { value }) }
}

interface Rule {
  /** Throws for a path that the operator does not take. */
  path(path: string | null | undefined, at: Path): void
  /** Whether the operator takes the value; undefined where there is none. */
  value(value: unknown): boolean
  /** What would be right: 'value' must be … */
  readonly right: string
}

const SCALAR: Rule = { path: profilePath, value: isScalar, right: 'a string, a number or a boolean' }
const NUMBER: Rule = {
  path: profilePath,
  value: (value) => typeof value === 'number' || (typeof value === 'string' && DECIMAL.test(value)),
  right: 'a number, or a string of one with at most 15 digits before and after the point,',
}
const ANY_SCALAR: Rule = {
  path: profilePath,
  value: (value) => isOneOrSeveral(value, isScalar),
  right: `a string, a number, a boolean or a list of 1 to ${MOST_VALUES} of these`,
}
const TEXT: Rule = { path: profilePath, value: (value) => typeof value === 'string', right: 'a string' }
const INSTANT: Rule = {
  path: profilePath,
  value: (value) => typeof value === 'string' && isInstant(value),
  right: 'a date or an instant of ISO 8601 (2026-01-31, 2026-01-31T12:00:00Z)',
}

const RULES: { readonly [O in ConditionOperator]: Rule } = {
  EQ: SCALAR,
  NEQ: SCALAR,
  GT: NUMBER,
  GTE: NUMBER,
  LT: NUMBER,
  LTE: NUMBER,
  EXISTS: {
    path: profilePath,
    value: (value) => [undefined, true, false, 'true', 'false'].includes(value as string | boolean | undefined),
    right: 'true, false or left out',
  },
  INCLUDES: ANY_SCALAR,
  OMIT: ANY_SCALAR,
  STARTS_WITH: TEXT,
  ENDS_WITH: TEXT,
  IS_BEFORE: INSTANT,
  IS_AFTER: INSTANT,
  MEMBER_OF: {
    path: tenantPath,
    value: (value) => isOneOrSeveral(value, isTenantId),
    right: `a tenant's id or a list of 1 to ${MOST_VALUES} of them`,
  },
}

function profilePath(path: string | null | undefined, at: Path): void {
  const parts = path?.split('.') ?? []
  const fits = parts.every((part) => part.length > 0 && part.length <= MOST_IN_A_PART)
  if (fits && parts.length > 0 && parts.length <= MOST_PARTS) return
  const right = `1 to ${MOST_PARTS} parts of 1 to ${MOST_IN_A_PART} characters with dots between them, like address.country`
  throw badInput(at, `'path' must be ${right}.`)
}

/** Some call a tenant an account, so both are taken; they say nothing that MEMBER_OF does not. */
function tenantPath(path: string | null | undefined, at: Path): void {
  if (path == null || path === 'tenant_id' || path === 'account_id') return
  throw badInput(at, "'path' must be tenant_id, account_id or left out for MEMBER_OF.")
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function isTenantId(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 256
}

function isOneOrSeveral(value: unknown, isOne: (value: unknown) => boolean): boolean {
  if (!Array.isArray(value)) return isOne(value)
  return value.length > 0 && value.length <= MOST_VALUES && value.every(isOne)
}

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?(?:Z|[+-](\d\d)(?::?(\d\d))?)?)?$/

/** A day that there is, or an instant of one: what the database's iso_instant reads, but for the hour 24 and the second 60. */
function isInstant(text: string): boolean {
  const [, day, hour = '0', minute = '0', second = '0', offsetHours = '0', offsetMinutes = '0'] = ISO.exec(text) ?? []
  if (day === undefined || day.startsWith('0000')) return false
  const midnight = new Date(`${day}T00:00:00Z`)
  const isDay = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
  return isDay && +hour < 24 && +minute < 60 && +second < 60 && +offsetHours < 16 && +offsetMinutes < 60
}
