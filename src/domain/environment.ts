import { openLogHead } from '../log/append.ts'
import { upsertEnvironment } from '../store/environment.ts'
import type { Command } from './command.ts'
import { checkName, checkSlug } from './id.ts'

export interface PutEnvironmentInput {
  readonly id: string
  readonly name: string
}

/** The environment that exists at start and that CARILLON_ADMIN_KEY opens. */
export const FIRST_ENVIRONMENT = 'production'

/** Makes an environment with a log of its own, or renames it. */
export const putEnvironment: Command<PutEnvironmentInput, { id: string }> = async (scope, { id, name }) => {
  checkSlug(id, ['id'])
  checkName(name, ['input', 'name'])
  await upsertEnvironment(scope.tx, { id, name, updatedAt: scope.now })
  await openLogHead(scope.tx, id)
  return { id }
}
