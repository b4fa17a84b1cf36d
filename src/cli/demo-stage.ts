import { randomBytes } from 'node:crypto'
import { type Api, createApi } from './api.ts'
import type { Report } from './demo-report.ts'
import { createTraces, type Traces } from './demo-traces.ts'
import { type Outside, openOutside } from './outside.ts'
import { startOwnServer } from './own-server.ts'

/** Where the scene is played. */
export interface Stage {
  readonly api: Api
  /** Null on a server that runs already: it may not be able to reach us, and what it does with mail is its own affair. */
  readonly outside: Outside | null
  readonly traces: Traces
  /** In every name of this run, so that a server that runs already has nothing that could be mistaken for its own. */
  readonly run: string
  readonly signal: AbortSignal
}

export type Environment = Readonly<Record<string, string | undefined>>

const TIDYING_MS = 10_000

/** The server that CARILLON_PUBLIC_URL and CARILLON_ADMIN_KEY name, otherwise one of its own. The stack takes all away. */
export async function openStage(
  env: Environment,
  report: Report,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Stage> {
  const { CARILLON_PUBLIC_URL: url, CARILLON_ADMIN_KEY: key } = env
  const run = randomBytes(3).toString('hex')
  if (url && key) {
    const api = openApi(url.replace(/\/+$/, ''), key, stack, signal)
    const traces = tracesOn(api.url, key)
    // A server of its own needs no tidying when a scene fails: it goes, with all that is on it.
    stack.defer(async () => report.complain(await traces.remove()))
    report.open(
      api.url,
      'the server that CARILLON_PUBLIC_URL names; webhook and web push need one on this machine and are left out',
    )
    return { api, outside: null, traces, run, signal }
  }
  report.starting()
  const outside = await openOutside()
  stack.defer(() => outside.close())
  const server = await startOwnServer(env, signal)
  stack.defer(() => server.stop())
  const api = openApi(server.url, server.adminKey, stack, signal)
  report.open(api.url, 'a server of its own, which goes when the scene is over')
  return { api, outside, traces: tracesOn(server.url, server.adminKey), run, signal }
}

function openApi(url: string, key: string, stack: AsyncDisposableStack, signal: AbortSignal): Api {
  const api = createApi(url, key, signal)
  stack.defer(() => api.close())
  return api
}

function tracesOn(url: string, key: string): Traces {
  return createTraces(() => createApi(url, key, AbortSignal.timeout(TIDYING_MS)))
}
