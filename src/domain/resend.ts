import { notFound, Refusal } from '../errors.ts'
import { fairnessOf } from '../queue/kinds.ts'
import { insertMessages, type NewMessage } from '../store/message.ts'
import { readSent, type SentRow } from '../store/resend.ts'
import { holdRow } from '../store/row.ts'
import { createTemplateVersions } from '../store/template.ts'
import { enqueuedEvent, templateOf } from './accept.ts'
import type { Mode } from './actor.ts'
import type { Command, Scope } from './command.ts'
import { newId } from './id.ts'
import type { Definition } from './send.ts'
import { addressed, type KeptRecipient } from './situation.ts'
import { settleTemplate } from './template-use.ts'

export interface ResendInput {
  readonly id: string
  /** Of the new message: a simulated one may be sent in earnest, and the other way round. */
  readonly mode: Mode
}

/**
 * Sends the same content to the same recipient again, whatever became of the first: as a new message of a new request, which is
 * planned by what is true now. It is wanted now, so a delay and an expiry are left out. The answer is the new message's id,
 * which is also its request's.
 *
 * @throws Refusal NOT_FOUND, CONFLICT where the user was erased, or where its data do not satisfy a template that is published
 * only now
 */
export const resendMessage: Command<ResendInput, string> = async (scope, { id: resendOf, mode }) => {
  const { environmentId } = scope.actor
  const sent = await readSent(scope.tx, environmentId, resendOf)
  if (sent === null) throw notFound('message', resendOf)
  const isThere = !sent.erased && (sent.userId === null || (await holdRow(scope.tx, 'user', environmentId, sent.userId)))
  if (!isThere) throw new Refusal('CONFLICT', 'The user whom the message was for was erased: it cannot be sent again.')
  const { to, definition } = await published(scope, alone(sent))
  const id = newId('msg')
  const { userId, recipient, tenantId, listId, audienceId } = sent
  const topicId = sent.topicId ?? definition.topicId
  const message: NewMessage = {
    environmentId,
    id,
    requestId: id,
    resendOf,
    status: 'ENQUEUED',
    reason: null,
    error: null,
    userId,
    recipient,
    to,
    tenantId,
    listId,
    audienceId,
    ...templateOf(definition),
    topicId,
    ...definition.metadata,
    enqueuedAt: scope.now,
  }
  await insertMessages(scope.tx, [{ environmentId, id, mode, definition, expansion: null, acceptedAt: scope.now }], [message])
  scope.append(enqueuedEvent(message))
  const fairnessKey = fairnessOf(environmentId, tenantId)
  scope.enqueue({ kind: 'deliver', payload: { environmentId, messageId: id }, fairnessKey })
  return id
}

/**
 * By the version that the first was sent with. Where nothing was published then, it was never said: what is published now is,
 * as in a new send.
 */
async function published({ tx, actor }: Scope, again: Again): Promise<Again> {
  const { to, definition } = again
  if (definition.template?.version !== null) return again
  const input = { definition, data: [{ place: 0, data: to.data ?? null }] }
  const settled = await settleTemplate(tx, createTemplateVersions(), { environmentId: actor.environmentId, input })
  if (!(settled instanceof Refusal)) return { to, definition: settled.definition }
  throw settled.code === 'BAD_USER_INPUT' ? new Refusal('CONFLICT', `It cannot be sent again: ${settled.message}`) : settled
}

interface Again {
  readonly to: KeptRecipient
  readonly definition: Definition
}

/** What was said to many as it is said to one of them: what its group says goes to the recipient. */
function alone(sent: SentRow): Again {
  const whole = sent.definition as Definition
  const { group: _place, ...to } = addressed({ to: sent.to as KeptRecipient, definition: whole })
  const { delay: _delay, expiresAt: _expiresAt, ...definition } = whole
  return { to, definition: { ...definition, groups: [] } }
}
