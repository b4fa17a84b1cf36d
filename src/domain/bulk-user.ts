import { badInput, notFound, Refusal, type RefusalCode } from '../errors.ts'
import type { BulkJobRow, BulkUserRow } from '../store/bulk.read.ts'
import { countReceived, lockBulkJob, readJobTemplate } from '../store/bulk-job.ts'
import { insertBulkUsers } from '../store/bulk-user.ts'
import type { Db } from '../store/database.ts'
import { findMissing, type Reference } from '../store/reference.ts'
import type { TemplateVersions } from '../store/template.ts'
import type { Actor } from './actor.ts'
import { alreadyRun } from './bulk-job.ts'
import { bulkUserKey } from './bulk-user-key.ts'
import type { Answer, Command, Commands, IdempotencyKey, Scope } from './command.ts'
import { messageIdAt } from './id.ts'
import { sealTokens } from './inline-token.ts'
import { cleanJson } from './json.ts'
import { checkRecipient, type Individual, type RecipientInput, type RecipientRules } from './recipient.ts'
import { type Definition, missing, namedBy } from './send.ts'
import { findInSlices } from './slice.ts'
import type { TemplateDraft } from './template.ts'
import { refuseMany, refuseOne } from './template-data.ts'
import { readTemplateOf } from './template-use.ts'

interface GivenUser {
  readonly to: RecipientInput
}

/** users: whose data could not be kept as they were given is refused already, by {@link cleanBulkUsers}. */
export interface AddBulkUsersInput {
  readonly jobId: string
  readonly users: readonly (GivenUser | BulkUserError)[]
}

/** Why one of the users was not taken. index: in the call's users. */
export interface BulkUserError {
  readonly index: number
  readonly code: RefusalCode | 'DUPLICATE_USER'
  readonly error: string
  readonly recipient: string | null
}

export interface AddedBulkUsers {
  readonly total: number
  /** By index. */
  readonly errors: readonly BulkUserError[]
}

export type AddBulkUsers = (actor: Actor, input: AddBulkUsersInput, key: IdempotencyKey | null) => Promise<Answer<AddedBulkUsers>>

interface AddParts extends RecipientRules {
  readonly db: Db
  readonly versions: TemplateVersions
  readonly commands: Commands
}

/**
 * Adds users to a job that has not run. Each is taken or refused by itself: what is wrong with one is said of it alone. What
 * takes long is done before the transaction, in slices of time.
 *
 * @throws Refusal NOT_FOUND, and JOB_ALREADY_RUN where the job runs or has run: then none of them is in it
 */
export function createAddBulkUsers(parts: AddParts): AddBulkUsers {
  return async (actor, { jobId, users }, key) => {
    const held = (await readJobTemplate(parts.db, actor.environmentId, jobId)) as HeldAgainst | null
    if (held === null) throw notFound('bulk job', jobId)
    const checked = await checkEach(users, parts)
    const schema = await readSchema(parts, actor.environmentId, held)
    const judged = schema === undefined ? checked : await judgeEach(checked, schema, held)
    return parts.commands.run(actor, add, { jobId, users: judged }, key)
  }
}

/**
 * The call's arguments as `cleanJson` leaves them, but for users whose data it refuses: of them their refusal is left, and nothing
 * of what they brought but a name.
 *
 * @throws Refusal where it refuses anything else
 */
export function cleanBulkUsers<Args extends { readonly users: readonly GivenUser[] }>(args: Args, maxEntries: number) {
  const { users } = args
  const rest = cleanJson({ ...args, users: users.map(() => null) }, maxEntries)
  return {
    ...rest,
    users: users.map(({ to }, index) => takenOrRefused(index, to, () => cleanJson({ to }, maxEntries))),
  }
}

/** One of a call's users so far: taken, or refused. */
type Checked = Individual | BulkUserError

const isRefused = (one: GivenUser | Checked): one is BulkUserError => 'index' in one

async function checkEach(users: AddBulkUsersInput['users'], rules: RecipientRules): Promise<readonly Checked[]> {
  const checked: Checked[] = []
  await findInSlices(users, (user) => {
    checked.push(isRefused(user) ? user : checkOne(user.to, checked.length, rules))
    return null
  })
  return checked
}

function checkOne(to: RecipientInput, index: number, rules: RecipientRules): Checked {
  return takenOrRefused(index, to, () => {
    const path = ['users', index, 'to']
    const recipient = checkRecipient(to, path, rules)
    if (recipient.kind === 'individual') return recipient
    throw badInput(path, 'A user of a bulk job is one person or one place, not a group.')
  })
}

function takenOrRefused<Taken>(index: number, to: RecipientInput, take: () => Taken): Taken | BulkUserError {
  try {
    return take()
  } catch (error) {
    if (error instanceof Refusal) return refused(index, error, nameOf(to))
    throw error
  }
}

/** As who a user who is refused was given; null where not even that can be kept. */
function nameOf({ userId, email, phoneNumber }: RecipientInput): string | null {
  const name = userId ?? email ?? phoneNumber ?? null
  return name === null || name.includes('\0') ? null : name.toWellFormed()
}

function refused(index: number, { code, message }: Refusal, recipient: string | null): BulkUserError {
  // A key of somebody's data is named as it was given.
  return { index, code, error: message.toWellFormed(), recipient }
}

/** What of a job's message its users' data are held against. */
type HeldAgainst = Pick<Definition, 'template' | 'data'>

async function readSchema({ db, versions }: AddParts, environmentId: string, definition: HeldAgainst) {
  const template: TemplateDraft | undefined = await readTemplateOf(db, versions, { environmentId, definition })
  return template?.dataSchema
}

/** What the job and a user say together must satisfy the template's schema. Those who say nothing of their own are one to it. */
async function judgeEach(
  checked: readonly Checked[],
  schema: NonNullable<TemplateDraft['dataSchema']>,
  { data: shared }: HeldAgainst,
): Promise<readonly Checked[]> {
  const own = checked.map((one, place) => ({ place, data: isRefused(one) ? null : (one.to.data ?? null) }))
  const tooMany = refuseMany(
    shared,
    own.filter(({ data }) => data !== null),
  )
  if (tooMany) throw tooMany
  const ofSilent = refuseOne(schema, shared, { place: 0, data: null })
  const judged: Checked[] = []
  await findInSlices(checked, (one) => {
    const index = judged.length
    const refusal = isRefused(one) ? null : own[index]!.data === null ? ofSilent : refuseOne(schema, shared, own[index]!)
    judged.push(refusal === null ? one : refused(index, refusal, (one as Individual).label))
    return null
  })
  return judged
}

const add: Command<{ readonly jobId: string; readonly users: readonly Checked[] }, AddedBulkUsers> = async (scope, input) => {
  const { tx, actor, now } = scope
  const { jobId } = input
  const known = withoutRepeated(await withoutMissing(scope, input.users))
  const taken = known.filter((one) => !isRefused(one)) as Individual[]
  const rows = taken.map((one) => rowOf(scope, one))
  const added = await insertBulkUsers(tx, actor.environmentId, jobId, rows)
  if (!(await countReceived(tx, actor.environmentId, jobId, added.size, now))) throw await whyNot(scope, jobId)
  const keys = new Map(taken.map((one, index) => [one, rows[index]!.key]))
  const errors = known.flatMap((one, index) => {
    if (isRefused(one)) return one
    return added.has(keys.get(one)!) ? [] : duplicate(index, one)
  })
  return { total: added.size, errors }
}

async function whyNot({ tx, actor }: Scope, jobId: string): Promise<Refusal> {
  const job = await lockBulkJob(tx, actor.environmentId, jobId)
  return job ? alreadyRun(job) : notFound('bulk job', jobId)
}

/** Refuses those that name what is not there. */
async function withoutMissing({ tx, actor }: Scope, users: readonly Checked[]): Promise<readonly Checked[]> {
  const { environmentId } = actor
  const named = users.map((one) =>
    isRefused(one) ? [] : namedBy(one.to).flatMap(([kind, id]) => (id == null ? [] : [{ kind, id }])),
  )
  const unique = new Map(named.flat().map(({ kind, id }) => [`${kind}\n${id}`, { environmentId, kind, id } as Reference]))
  const unknown = new Set((await findMissing(tx, [...unique.values()])).map(({ kind, id }) => `${kind}\n${id}`))
  if (unknown.size === 0) return users
  return users.map((one, index) => {
    const gone = named[index]!.find(({ kind, id }) => unknown.has(`${kind}\n${id}`))
    return gone === undefined ? one : refused(index, missing({ environmentId, ...gone }), (one as Individual).label)
  })
}

/** Of those that are the same, the first is taken. */
function withoutRepeated(users: readonly Checked[]): readonly Checked[] {
  const seen = new Set<string>()
  return users.map((one, index) => {
    if (isRefused(one)) return one
    const key = bulkUserKey(one)
    if (seen.has(key)) return duplicate(index, one)
    seen.add(key)
    return one
  })
}

function duplicate(index: number, { label }: Individual): BulkUserError {
  return { index, code: 'DUPLICATE_USER', error: 'Duplicate user', recipient: label }
}

function rowOf({ vault, actor }: Scope, one: Individual) {
  return { key: bulkUserKey(one), recipient: one.label, to: sealTokens(vault, actor.environmentId, one.to) }
}

/** The id of a user's latest message; null where there is none. */
export function latestMessageOf({ requestId }: Pick<BulkJobRow, 'requestId'>, user: BulkUserRow): string | null {
  return user.status === 'ENQUEUED' ? (user.messageId ?? messageIdAt(requestId, 0, user.position)) : null
}
