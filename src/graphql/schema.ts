import './api-key.ts'
import './environment.ts'
import './inbox.ts'
import './message-event.ts'
import './provider.ts'
import './send.ts'
import './user-token.ts'
import './user.ts'
import { builder } from './builder.ts'
import { guardRoots } from './root.ts'

/** The graph. Each noun's file adds its type, queries, mutations and subscriptions to the builder. */
export const schema = guardRoots(builder.toSchema())
