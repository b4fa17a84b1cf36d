import { badInput } from '../errors.ts'
import { checkId } from './id.ts'

type Path = readonly (string | number)[]

const MOST_PARTS = 4
const MOST_WILDCARDS = 3

/**
 * The id of a list: 1 to 4 parts with dots between them, as in `news.weekly.de`. Every id is its own list: who is on
 * `news.weekly` is not on `news` for that.
 *
 * @throws Refusal BAD_USER_INPUT for an empty part, white space, `*` and `#`
 */
export function checkListId(id: string, path: Path): string {
  checkId(id, path)
  if (!isDotted(id) || id.includes('*')) {
    throw badInput(
      path,
      `'${path.at(-1)}' must be 1 to ${MOST_PARTS} parts with a dot between them, each without white space, * and #.`,
    )
  }
  return id
}

/**
 * A pattern of list ids. `*` stands for exactly one whole part; `**`, only at the end and after a part that is spelled out,
 * for one or more: `news.**` fits `news.weekly` and `news.weekly.de`, not `news`. At most 3 wildcards, so that `*.*.*.*` is
 * refused and `*` alone fits every id of one part. An id fits itself alone.
 *
 * @throws Refusal BAD_USER_INPUT
 */
export function checkListPattern(pattern: string, path: Path): string {
  checkId(pattern, path)
  const wrong = faultOf(pattern)
  if (wrong !== null) throw badInput(path, `'${path.at(-1)}' is no pattern of list ids: ${wrong}`)
  return pattern
}

function isDotted(text: string): boolean {
  const parts = text.split('.')
  return parts.length <= MOST_PARTS && parts.every((part) => /^[^\s#]+$/.test(part))
}

function faultOf(pattern: string): string | null {
  const parts = pattern.split('.')
  const isWildcard = (part: string | undefined) => part === '*' || part === '**'
  if (!isDotted(pattern)) return `it must be 1 to ${MOST_PARTS} parts with a dot between them, each without white space and #.`
  if (parts.some((part) => part.includes('*') && !isWildcard(part))) return 'a wildcard, * or **, must be a whole part.'
  if (parts.slice(0, -1).includes('**')) return '** must be the last part.'
  if (parts.at(-1) === '**' && isWildcard(parts.at(-2) ?? '*')) return '** must stand after a part without a wildcard.'
  if (parts.filter(isWildcard).length > MOST_WILDCARDS) return `at most ${MOST_WILDCARDS} parts may be wildcards.`
  return null
}
