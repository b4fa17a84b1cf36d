import { issueUserToken } from '../domain/user-token.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { actorOf } from './context.ts'
import { TokenScope } from './enums.ts'
import { durationMs } from './scalars.ts'

const IssuedToken = builder.objectRef<{ token: string; expiresAt: Date }>('IssuedToken').implement({
  authScopes: may({ key: ['TOKENS_ISSUE'] }),
  fields: (t) => ({ token: t.exposeString('token'), expiresAt: t.expose('expiresAt', { type: 'DateTime' }) }),
})

const IssueTokenInput = builder.inputType('IssueTokenInput', {
  description: 'At least one of userId, requestIds and jobIds.',
  fields: (t) => ({
    userId: t.id({ description: 'The user it speaks for.' }),
    tenantId: t.id({ description: 'Only in this tenant.' }),
    requestIds: t.idList({ description: 'Requests that it may follow, whoever their messages are for.' }),
    jobIds: t.idList({ description: 'Bulk jobs that it may follow.' }),
    scopes: t.field({ type: [TokenScope], required: true }),
    expiresIn: t.field({ type: 'Duration', required: true, description: 'At most 24 hours.' }),
  }),
})

builder.mutationFields((t) => ({
  issueToken: t.field({
    type: IssuedToken,
    description: 'A signed token for a browser or a phone, limited to what is given.',
    authScopes: may({ key: ['TOKENS_ISSUE'] }),
    args: { input: t.arg({ type: IssueTokenInput, required: true }) },
    resolve: (_root, args, context) => {
      const { expiresIn, ...input } = args.input
      const { tokenKeys, now } = context.graph
      return issueUserToken(tokenKeys, actorOf(context), { ...input, expiresInMs: durationMs(expiresIn) }, now())
    },
  }),
}))
