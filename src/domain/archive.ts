import { notFound } from '../errors.ts'
import { hideRequest } from '../store/request.ts'
import type { Command } from './command.ts'

/**
 * Hides every message of a request from listings, those that are made later as well; by its id, and by filters that ask for
 * it, each stays readable. The answer is the request's id. Archiving again changes nothing.
 *
 * @throws Refusal NOT_FOUND
 */
export const archiveRequest: Command<{ id: string }, string> = async ({ tx, actor, now }, { id }) => {
  if (!(await hideRequest(tx, actor.environmentId, id, now))) throw notFound('request', id)
  return id
}
