import type { AddressGuard, Provider } from '../channels/provider.ts'
import type { Accepted } from '../domain/accept.ts'
import type { BuiltInAccount } from '../domain/account.ts'
import type { Actor } from '../domain/actor.ts'
import type { AddBulkUsers } from '../domain/bulk-user.ts'
import type { BulkWatch } from '../domain/bulk-watch.ts'
import type { CallbackLinks } from '../domain/callback-link.ts'
import type { Answer, Call, Command, Commands, IdempotencyKey, Vault } from '../domain/command.ts'
import { chooseKey, fingerprint } from '../domain/idempotency.ts'
import type { PlanSend } from '../domain/plan-send.ts'
import type { EffectivePreference, PreferenceQuery } from '../domain/preference.ts'
import type { ShowPreview } from '../domain/preview.ts'
import type { PreviewLinks } from '../domain/preview-link.ts'
import type { CheckedSend } from '../domain/send.ts'
import { Refusal } from '../errors.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { Cursors } from '../log/cursor.ts'
import type { Log } from '../log/follow.ts'
import type { TokenKeys } from '../secrets.ts'
import type { AudienceReads } from '../store/audience.read.ts'
import type { BulkReads } from '../store/bulk.read.ts'
import type { InboxReads } from '../store/inbox.read.ts'
import type { ListReads } from '../store/list.read.ts'
import type { MessageReads } from '../store/message.read.ts'
import type { ProviderReads } from '../store/provider.read.ts'
import type { UserReads } from '../store/user.read.ts'
import type { WebhookReads } from '../store/webhook.read.ts'

/** What resolvers are handed: reads, commands and the log. None of it can write behind a command's back. */
export interface Graph {
  readonly prisma: PrismaClient
  /** The lists that Prisma pages too slowly. */
  readonly reads: MessageReads & BulkReads & InboxReads & ProviderReads & UserReads & ListReads & AudienceReads & WebhookReads
  /** What holds about topics for a user. */
  readPreferences(query: PreferenceQuery): Promise<readonly EffectivePreference[]>
  readonly commands: Commands
  /** Accepts a send together with those that come at the same time. */
  accept(call: Call<CheckedSend>): Promise<Accepted | Refusal>
  readonly addBulkUsers: AddBulkUsers
  readonly bulkWatch: BulkWatch
  readonly planSend: PlanSend
  readonly preview: ShowPreview
  readonly previewLinks: Pick<PreviewLinks, 'make'>
  readonly log: Log
  readonly cursors: Cursors
  readonly signer: {
    sign(purpose: string, text: string): string
    verify(purpose: string, text: string, signature: string): boolean
  }
  readonly providers: readonly Provider[]
  readonly builtIns: readonly BuiltInAccount[]
  readonly callbacks: Pick<CallbackLinks, 'urlOf'>
  readonly guard: AddressGuard
  readonly vault: Vault
  readonly tokenKeys: TokenKeys
  /** In any list of an argument. */
  readonly maxListEntries: number
  readonly now: () => Date
}

/** One operation's context. actor: null only where nothing may be resolved. */
export interface Context {
  readonly graph: Graph
  readonly actor: Actor | null
  /** Of the Idempotency-Key header; the document then has one mutation. */
  readonly idempotencyKey: string | null
  /** Where the log stood before anything of this operation was read. Asked for once. */
  readonly logHead: () => ReturnType<Log['head']>
  readonly signal: AbortSignal
}

export function actorOf(context: Context): Actor {
  if (context.actor) return context.actor
  throw new Refusal('UNAUTHENTICATED', 'This needs a valid API key or user token: Authorization: Bearer <key>.')
}

/**
 * Runs a command for whoever asks, once for each idempotency key.
 *
 * @param path where that is
 * @param given of the mutation's own argument, which may stand in the place of the header
 */
export async function run<In, Out>(
  context: Context,
  operation: string,
  command: Command<In, Out>,
  input: In,
  given: string | null | undefined = null,
  path: readonly string[] = ['idempotencyKey'],
): Promise<Answer<Out>> {
  return context.graph.commands.run(actorOf(context), command, input, keyOf(context, operation, input, given, path))
}

/** The key under which a call is made once; null where it has none. given, path: as for run. */
export function keyOf(
  { idempotencyKey }: Context,
  operation: string,
  input: unknown,
  given: string | null | undefined,
  path: readonly string[] = ['idempotencyKey'],
): IdempotencyKey | null {
  const key = chooseKey(idempotencyKey, given, path)
  return key === null ? null : { operation, key, fingerprint: fingerprint(input) }
}
