import { Flaw, UsageError } from './bulk-flaw.ts'

/** A recipient as it is sent, `RecipientInput`; the server says what is wrong with it. */
export type Recipient = Readonly<Record<string, unknown>>

const TYPES = ['text', 'number', 'boolean', 'json'] as const

/** Where the value of a column goes. */
export interface Target {
  /** From the recipient on: `['data', 'name']`. */
  readonly path: readonly string[]
  /** What the column's text is read as. */
  readonly type: (typeof TYPES)[number]
}

/** What was said of columns, by their names. Null: the column is left out. */
export type Choices = ReadonlyMap<string, Target | null>

/** A column, or a field of a line of JSON, and where it goes. */
export interface Column {
  readonly name: string
  readonly target: Target | null
}

const FIELDS = ['userId', 'email', 'phoneNumber', 'tenantId', 'locale', 'timezone'] as const
const OBJECTS = ['profile', 'data', 'webhook', 'slack', 'msTeams', 'discord', 'telegram'] as const
/** What only JSON can hold. */
const OTHERS = ['deviceTokens', 'preferences', 'listId', 'listPattern', 'audienceId', 'tenant'] as const
const ADDRESSES = new Set<string>([
  'userId',
  'email',
  'phoneNumber',
  'webhook',
  'slack',
  'msTeams',
  'discord',
  'telegram',
  'deviceTokens',
])
/** Those of a profile that a message can be sent to. */
const PROFILE_ADDRESSES = new Set(['email', 'phone_number', 'slack', 'ms_teams', 'discord', 'telegram'])

/** @param text `data.amount:number`; without a type it is text */
export function readTarget(text: string): Target {
  const [, dotted = '', type = 'text'] = new RegExp(`^(.+?)(?::(${TYPES.join('|')}))?$`, 's').exec(text) ?? []
  const path = dotted.split('.')
  const [root, ...rest] = path
  const isField = (FIELDS as readonly string[]).includes(root!) && rest.length === 0
  const isWithin = (OBJECTS as readonly string[]).includes(root!) && rest.length > 0 && rest.every((key) => key !== '')
  if (!isField && !isWithin) {
    throw new UsageError(
      `'${text}' is nothing that a column can be: take ${FIELDS.join(', ')}, or ${OBJECTS.map((name) => `${name}.…`).join(', ')}.`,
    )
  }
  return { path, type: type as Target['type'] }
}

/** Where a column goes by its name alone: a recipient's field, whatever its case and signs; otherwise into the data. */
export function targetOf(name: string): Target {
  const plain = name.replace(/[\s_-]/g, '').toLowerCase()
  const field = FIELDS.find((one) => one.toLowerCase() === plain)
  if (field !== undefined) return { path: [field], type: 'text' }
  const [root, ...rest] = name.split('.')
  const isWithin = (OBJECTS as readonly string[]).includes(root!) && rest.length > 0 && rest.every((key) => key !== '')
  return { path: isWithin ? [root!, ...rest] : ['data', name], type: 'text' }
}

/**
 * Where each column of a file goes.
 *
 * @throws UsageError where the header, or what was said of its columns, cannot be gone by
 */
export function mapColumns(header: readonly string[], choices: Choices): readonly Column[] {
  // Nobody named it, so nobody means it: the index that a data frame is written with, what stands behind a comma at the line's end.
  const nameless = header.map((name, index) => (name.trim() === '' ? `column ${index + 1}` : null))
  const names = header.map((name, index) => nameless[index] ?? name.trim())
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) < index) throw new UsageError(`The header has two columns called '${name}'.`)
  }
  for (const name of choices.keys()) {
    if (!names.includes(name))
      throw new UsageError(`The file has no column '${name}'. It has ${names.map((one) => `'${one}'`).join(', ')}.`)
  }
  const targetFor = (name: string) => (nameless.includes(name) ? null : targetOf(name))
  const columns = names.map((name): Column => ({ name, target: choices.has(name) ? choices.get(name)! : targetFor(name) }))
  refuseOverlaps(columns)
  if (!columns.some(({ target }) => target !== null && isAddress(target))) {
    throw new UsageError(
      `No column leads to a recipient. Call one userId, email or phoneNumber, or say which it is: --map email='${names[0]}'.`,
    )
  }
  return columns
}

function refuseOverlaps(columns: readonly Column[]): void {
  const taken = new Map<string, string>()
  const within = new Map<string, string>()
  for (const { name, target } of columns) {
    if (target === null) continue
    const whole = target.path.join('\n')
    const parents = target.path.slice(1).map((_, index) => target.path.slice(0, index + 1).join('\n'))
    const other = taken.get(whole) ?? within.get(whole) ?? parents.map((parent) => taken.get(parent)).find(Boolean)
    if (other !== undefined) {
      throw new UsageError(
        `The columns '${other}' and '${name}' both lead to ${target.path.join('.')}: --map or --ignore one of them.`,
      )
    }
    taken.set(whole, name)
    for (const parent of parents) within.set(parent, name)
  }
}

function isAddress({ path: [root, key] }: Target): boolean {
  return ADDRESSES.has(root!) || (root === 'profile' && PROFILE_ADDRESSES.has(key!))
}

/** A flat row as a recipient. Empty cells are left out. */
export function recipientOf(columns: readonly Column[], cells: readonly string[]): Recipient | Flaw {
  const to: Tree = Object.create(null) as Tree
  for (const [index, { name, target }] of columns.entries()) {
    if (target === null) continue
    const value = readValue(cells[index] ?? '', target)
    if (value === undefined) continue
    const fault = faultIn(value)
    if (fault !== null) return new Flaw('BAD_VALUE', `Its '${name}' ${fault}.`)
    if (value === UNREADABLE)
      return new Flaw('BAD_VALUE', `Its '${name}' is no ${target.type === 'json' ? 'JSON' : target.type}.`)
    put(to, target.path, value)
  }
  if (hasAddress(to)) return to
  const names = columns.filter(({ target }) => target !== null && isAddress(target)).map(({ name }) => `'${name}'`)
  return new Flaw('NO_ADDRESS', `There is nothing in ${names.join(', ')}.`)
}

/**
 * A line of JSON as a recipient: a `BulkUserInput`, a `RecipientInput`, or any object, whose other fields are its data.
 *
 * @param line as it was parsed
 */
export function recipientIn(line: unknown, choices: Choices): Recipient | Flaw {
  if (!isObject(line)) return new Flaw('NOT_AN_OBJECT', 'It is no JSON object.')
  const entries = Object.entries(line).filter(([name]) => choices.get(name) !== null)
  for (const [name, value] of entries) {
    const fault = faultIn(value)
    if (fault !== null) return new Flaw('BAD_VALUE', `Its '${name}' ${fault}.`)
  }
  if (entries.length === 1 && isObject(line.to)) return withAddress(line.to)
  const to: Tree = Object.create(null) as Tree
  const known = new Set<string>([...FIELDS, ...OBJECTS, ...OTHERS])
  for (const [name, value] of entries) {
    if (known.has(name) && !choices.has(name) && value !== null) to[name] = isObject(value) ? { ...value } : value
  }
  for (const [name, value] of entries) {
    const target = choices.has(name) ? choices.get(name)! : known.has(name) ? null : targetOf(name)
    if (target === null || value === null) continue
    const read: unknown = typeof value === 'string' ? readValue(value, target) : value
    if (read === UNREADABLE) return new Flaw('BAD_VALUE', `Its '${name}' is no ${target.type === 'json' ? 'JSON' : target.type}.`)
    if (read !== undefined && !put(to, target.path, read)) {
      return new Flaw('BAD_VALUE', `'${name}' has no place in ${target.path.join('.')}.`)
    }
  }
  return withAddress(to)
}

function withAddress(to: Recipient): Recipient | Flaw {
  if (hasAddress(to) || OTHERS.some((name) => to[name] != null)) return to
  return new Flaw('NO_ADDRESS', 'It has no userId, no email and no other address.')
}

function hasAddress(to: Recipient): boolean {
  if ([...ADDRESSES].some((name) => to[name] != null)) return true
  return isObject(to.profile) && Object.keys(to.profile).some((name) => PROFILE_ADDRESSES.has(name))
}

const EMAIL = /^[^\s@",;]+@[^\s@",;]+\.[^\s@",;]+$/
const PHONE = /^\+[\d ()-]{7,}$/

/** Whether cells have an address that no text of somebody's would have in its place. */
export function looksLikeRow(columns: readonly Column[], cells: readonly string[]): boolean {
  return columns.some(({ target }, index) => {
    const cell = (cells[index] ?? '').trim()
    const name = target?.path.at(-1)
    return (name === 'email' && EMAIL.test(cell)) || (/^phone_?number$/i.test(name ?? '') && PHONE.test(cell))
  })
}

const UNREADABLE = Symbol('unreadable')

function readValue(text: string, { path, type }: Target): unknown {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  if (type === 'text') return path.length === 1 ? trimmed : text
  if (type === 'boolean') return /^(true|false)$/i.test(trimmed) ? trimmed.toLowerCase() === 'true' : UNREADABLE
  if (type === 'number') return Number.isFinite(Number(trimmed)) ? Number(trimmed) : UNREADABLE
  try {
    return JSON.parse(trimmed) as unknown
  } catch {
    return UNREADABLE
  }
}

/** More than any data have, and less than what cannot be written as JSON again. */
const MAX_DEPTH = 500

/** What would be lost on the way to the server: `1e400` is read as Infinity, which is written as null. Null: nothing. */
export function faultIn(value: unknown): string | null {
  let level = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (level.some((one) => typeof one === 'number' && !Number.isFinite(one))) return 'has a number that is too large to be one'
    if (depth === MAX_DEPTH) return 'is nested too deeply'
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return null
}

/** Without a prototype, so that any name is a name. */
type Tree = Record<string, unknown>

/** False where something else is in the way. */
function put(tree: Tree, path: readonly string[], value: unknown): boolean {
  const [key, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) {
    Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true })
    return true
  }
  if (!Object.hasOwn(tree, key))
    Object.defineProperty(tree, key, { value: Object.create(null), enumerable: true, writable: true })
  const inner = tree[key]
  return isObject(inner) && put(inner as Tree, rest, value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As `--map` would say it. */
export function mappingText(columns: readonly Column[]): readonly string[] {
  return columns.map(({ name, target }) => {
    if (target === null) return `${name} → left out`
    return `${name} → ${target.path.join('.')}${target.type === 'text' ? '' : ` (${target.type})`}`
  })
}
