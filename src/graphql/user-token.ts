import { durationMs } from '../domain/duration.ts'
import { type IssuedToken as Issued, issueUserToken } from '../domain/user-token.ts'
import { may } from './access.ts'
import { builder } from './builder.ts'
import { run } from './context.ts'
import { TokenScope } from './enums.ts'

const IssuedToken = builder.objectRef<Issued>('IssuedToken').implement({
  description: 'A user token, and when it stops working.',
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
    resolve: async (_root, { input }, context) => {
      const { expiresIn, ...given } = input
      const command = issueUserToken(context.graph.tokenKeys)
      return (await run(context, 'issueToken', command, { ...given, expiresInMs: durationMs(expiresIn) })).value
    },
  }),
}))
