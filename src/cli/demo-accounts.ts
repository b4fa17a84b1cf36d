import type { Api } from './api.ts'
import type { Stage } from './demo-stage.ts'

/** The email accounts of the third act: one that is down, and the one that stands in for it. */
export interface Accounts {
  readonly first: Account
  /** Null where the server that is played on has no account of its own. */
  readonly second: Account | null
}

export interface Account {
  readonly id: string
  /** A few words about where it leads. */
  readonly note: string
}

/** Nobody listens there. A server that may not call its own machine takes the other, which no DNS knows (RFC 6761). */
const NOWHERE = ['smtp://127.0.0.1:1', 'smtp://mail.invalid']
/** Behind every other account: messages that are not the demo's do not come by. */
const LAST = 1_000_000

/** Puts both on a server of its own. On one that runs already only the first is put: nothing but its own may carry its mail. */
export async function putAccounts(stage: Stage): Promise<Accounts> {
  const { api, outside, run } = stage
  const id = `demo-first-${run}`
  const taken = await putFirst(stage, id)
  const first = { id, note: `${taken}, where nobody listens` }
  if (outside === null) return { first, second: await ownAccount(api, id) }
  const second = { id: `demo-spare-${run}`, note: `${outside.mail.url}, a mail server that works` }
  await put(stage, second.id, outside.mail.url)
  return { first, second }
}

/** Returns the address that the server takes. */
async function putFirst(stage: Stage, id: string): Promise<string> {
  const [ours, anybodys] = NOWHERE as [string, string]
  try {
    await put(stage, id, ours)
    return ours
  } catch {
    // Whatever else it refuses, it refuses again.
    await put(stage, id, anybodys)
    return anybodys
  }
}

async function put({ api, traces }: Stage, id: string, url: string): Promise<void> {
  traces.add('provider', id)
  const settings = { url, from: 'Carillon <demo@example.com>' }
  await api.call(PUT_PROVIDER, { id, input: { kind: 'smtp', settings, priority: LAST } })
}

async function ownAccount(api: Api, exceptId: string): Promise<Account | null> {
  const { providers } = await api.call<{ providers: readonly { id: string; enabled: boolean; health: string }[] }>(ACCOUNTS)
  const own = providers.find(({ id, enabled, health }) => id !== exceptId && enabled && health === 'OK')
  return own ? { id: own.id, note: 'an account that this server has' } : null
}

const PUT_PROVIDER = 'mutation ($id: ID!, $input: ProviderInput!) { putProvider(id: $id, input: $input) { id } }'
const ACCOUNTS = '{ providers(channel: EMAIL) { id enabled health } }'
