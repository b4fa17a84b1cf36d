import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { badInput, Refusal } from '../errors.ts'
import type { Tx } from '../store/database.ts'
import { deleteKeys, insertKeys, readKeys, writeResults } from '../store/idempotency.ts'

/** A key as one environment uses it for one operation. */
export interface Claim {
  readonly environmentId: string
  readonly operation: string
  readonly key: string
  readonly fingerprint: string
}

/** What an earlier call with the same key and the same input was answered. */
export interface Earlier {
  readonly result: string
}

/**
 * Takes keys within the caller's transaction. For each: undefined when it is now ours, the earlier answer when the same
 * input was answered before, or a Refusal. The insert waits for a transaction that holds the same key: when that
 * commits, its answer is ours; when it rolls back, the key is. There is no third state, so nothing is left to clean up
 * after a crash. A wait of over 5 seconds is IDEMPOTENCY_IN_PROGRESS.
 *
 * The keys of one call must differ.
 */
export async function claimKeys(tx: Tx, claims: readonly Claim[]): Promise<readonly (Earlier | Refusal | undefined)[]> {
  const taken = await insertKeys(tx, claims).catch(inProgress)
  const missed = claims.filter((claim) => !taken.has(claimId(claim)))
  if (missed.length === 0) return claims.map(() => undefined)
  const kept = await readKeys(tx, missed)
  return claims.map((claim) => {
    if (taken.has(claimId(claim))) return undefined
    const row = kept.get(claimId(claim))
    if (row === undefined) return new Refusal('IDEMPOTENCY_IN_PROGRESS', IN_PROGRESS)
    if (row.fingerprint !== claim.fingerprint) return reused()
    return { result: row.result }
  })
}

export async function keepResults(tx: Tx, results: readonly (Claim & { readonly result: string })[]): Promise<void> {
  if (results.length > 0) await writeResults(tx, results)
}

/** Lets go of keys that were just claimed, for calls that were refused: those leave no trace. */
export async function releaseKeys(tx: Tx, claims: readonly Claim[]): Promise<void> {
  if (claims.length > 0) await deleteKeys(tx, claims)
}

export function claimId(claim: Pick<Claim, 'environmentId' | 'operation' | 'key'>): string {
  return `${claim.environmentId}\n${claim.operation}\n${claim.key}`
}

/** SHA-256 of the coerced input in canonical form (RFC 8785), so that key order and white space do not matter. */
export function fingerprint(input: unknown): string {
  return createHash('sha256')
    .update(canonicalize(input) ?? '')
    .digest('base64url')
}

/**
 * One key for one call, however it was given. Printable ASCII without spaces, at most 256 characters.
 *
 * @param path where the input has it
 */
export function chooseKey(
  fromHeader: string | null,
  fromInput: string | null | undefined,
  path: readonly string[] = ['input', 'idempotencyKey'],
): string | null {
  if (fromInput == null) return fromHeader
  if (!/^[\x21-\x7e]{1,256}$/.test(fromInput)) {
    throw badInput(path, "'idempotencyKey' must be 1 to 256 printable ASCII characters without spaces.")
  }
  if (fromHeader !== null && fromHeader !== fromInput) {
    throw badInput(path, "The Idempotency-Key header and 'idempotencyKey' must be equal when both are given.")
  }
  return fromInput
}

export function reused(): Refusal {
  return new Refusal('IDEMPOTENCY_KEY_REUSED', 'This idempotency key was used before with a different input.')
}

const IN_PROGRESS = 'An earlier request with this idempotency key has not been answered yet. It is safe to try again.'
const LOCK_NOT_AVAILABLE = '55P03'

function inProgress(error: unknown): never {
  if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE) {
    throw new Refusal('IDEMPOTENCY_IN_PROGRESS', IN_PROGRESS, { cause: error })
  }
  throw error
}
