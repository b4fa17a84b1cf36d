import type { AddressGuard, Provider } from '../channels/provider.ts'
import type { Refusal } from '../errors.ts'
import { append } from '../log/append.ts'
import type { LogEvent, NewEvent } from '../log/event.ts'
import { enqueue } from '../queue/enqueue.ts'
import { JOB_KINDS, type NewJob } from '../queue/kinds.ts'
import type { Db, Tx } from '../store/database.ts'
import type { Actor } from './actor.ts'
import { type Claim, claimKeys, keepResults } from './idempotency.ts'

/**
 * What a command may touch. `tx` is its only handle on the database: another connection inside a transaction hangs for
 * ever once such transactions fill the pool. Jobs and events are written together just before commit, and vanish with it.
 */
export interface Scope {
  readonly tx: Tx
  readonly actor: Actor
  /** One instant for the whole command. */
  readonly now: Date
  readonly providers: readonly Provider[]
  readonly guard: AddressGuard
  readonly vault: Vault
  enqueue(job: NewJob): void
  append(event: NewEvent): void
}

/** Keeps secrets: what is sealed for one place does not open in another. */
export interface Vault {
  seal(plain: string, place: string): string
  open(sealed: string, place: string): string
}

/** The only way state changes on request. It throws a Refusal for what the caller can put right. */
export type Command<In, Out> = (scope: Scope, input: In) => Promise<Out>

/** One caller's part of a grouped command. */
export interface Call<In> {
  readonly actor: Actor
  readonly input: In
  readonly key: IdempotencyKey | null
}

/**
 * A command for a hot path: many callers' inputs in one transaction. What the database says to one of them is a value;
 * what it throws is tried again for each alone.
 */
export type GroupedCommand<In, Out> = (scope: GroupScope, calls: readonly Call<In>[]) => Promise<readonly (Out | Refusal)[]>
export type GroupScope = Omit<Scope, 'actor'>

export interface IdempotencyKey {
  readonly operation: string
  readonly key: string
  /** SHA-256 of the coerced, canonical input. */
  readonly fingerprint: string
}

/** replayed: an earlier call with the same key had this result. */
export interface Answer<Out> {
  readonly value: Out
  readonly replayed: boolean
}

export interface Commands {
  run<In, Out>(actor: Actor, command: Command<In, Out>, input: In, key?: IdempotencyKey | null): Promise<Answer<Out>>
  /** One transaction for many calls; the results stand in the order of the calls. */
  runGroup<In, Out>(command: GroupedCommand<In, Out>, calls: readonly Call<In>[]): Promise<readonly (Out | Refusal)[]>
}

export interface CommandParts {
  readonly db: Db
  readonly providers: readonly Provider[]
  readonly guard: AddressGuard
  readonly vault: Vault
  readonly now: () => Date
  /** After commit: the log's news and the queue's bell. */
  published(events: readonly LogEvent[]): void
  wake(lane: string): void
}

/**
 * One transaction with its jobs and events, and what follows its commit. What the work throws rolls it back. The work may be
 * asked for a second time: it touches nothing but its scope.
 */
export type Commit = <T>(work: (scope: GroupScope) => Promise<T>) => Promise<T>

export function createCommit(parts: CommandParts): Commit {
  const { providers, guard, vault } = parts

  async function attempt<T>(work: (scope: GroupScope) => Promise<T>): Promise<Committed<T>> {
    const jobs: NewJob[] = []
    const events: NewEvent[] = []
    return parts.db.transaction().execute(async (tx) => {
      const scope: GroupScope = {
        tx,
        now: parts.now(),
        providers,
        guard,
        vault,
        enqueue: (job) => jobs.push(job),
        append: (event) => events.push(event),
      }
      const result = await work(scope)
      if (jobs.length > 0) await enqueue(tx, jobs)
      return { result, jobs, written: events.length > 0 ? await append(tx, events) : [] }
    })
  }

  return async (work) => {
    const { result, jobs, written } = await attempt(work).catch((error: unknown) => {
      // PostgreSQL chose this one of two to give way; nothing of it was written.
      if (isDeadlock(error)) return attempt(work)
      throw error
    })
    if (written.length > 0) parts.published(written)
    for (const lane of new Set(jobs.map((job) => job.lane ?? JOB_KINDS[job.kind].lane))) parts.wake(lane)
    return result
  }
}

interface Committed<T> {
  readonly result: T
  readonly jobs: readonly NewJob[]
  readonly written: readonly LogEvent[]
}

const isDeadlock = (error: unknown) => (error as { code?: unknown }).code === '40P01'

export function createCommands(commit: Commit, vault: Vault): Commands {
  return {
    run: (actor, command, input, key = null) =>
      commit(async (scope) => {
        const whole = { ...scope, actor }
        if (key === null) return { value: await command(whole, input), replayed: false }
        const claim: Claim = { environmentId: actor.environmentId, ...key }
        const [earlier] = await claimKeys(scope.tx, [claim])
        if (earlier instanceof Error) throw earlier
        if (earlier) return { value: openResult(vault, claim, earlier.result), replayed: true }
        const value = await command(whole, input)
        await keepResults(scope.tx, [{ ...claim, result: sealResult(vault, claim, value) }])
        return { value, replayed: false }
      }),
    runGroup: (command, calls) => commit((scope) => command(scope, calls)),
  }
}

/** A result may hold a secret (a new API key), so it is sealed to its key. */
export function sealResult(vault: Vault, claim: Claim, value: unknown): string {
  return vault.seal(JSON.stringify(value), resultPlace(claim))
}

export function openResult<Out>(vault: Vault, claim: Claim, sealed: string): Out {
  return JSON.parse(vault.open(sealed, resultPlace(claim))) as Out
}

const resultPlace = (claim: Claim) => `idempotency/${claim.environmentId}/${claim.operation}/${claim.key}`
