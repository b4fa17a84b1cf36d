import type { Callback, CallbackContext, CallbackReading, HttpDoor, Provider } from '../channels/provider.ts'
import type { Account } from '../domain/account.ts'
import { CALLBACK_PATH, type CallbackLinks, type CallbackPlace } from '../domain/callback-link.ts'
import type { ReportCounts, Reports } from '../domain/report.ts'
import type { Metrics } from '../observe.ts'
import type { Page, Route, RouteRequest } from './route.ts'

export interface CallbacksOptions {
  readonly links: Pick<CallbackLinks, 'opens' | 'urlWith'>
  readonly providers: readonly Provider[]
  readonly http: HttpDoor
  /** Null where there is no such account. */
  readonly readAccount: (place: CallbackPlace) => Promise<Account | null>
  /** An account's settings, its secrets opened. */
  readonly settingsOf: (account: Account) => unknown
  /** In one transaction. */
  readonly apply: (reports: Reports) => Promise<ReportCounts>
  readonly metrics: Metrics
  readonly now: () => Date
}

const MAX_BYTES = 1024 * 1024

/**
 * Where providers report: /callbacks/<environment>/<account>/<token>. What is not a place of ours is 404, whatever is wrong
 * with it; a call that its account's provider did not sign is 401. 200 says that all of it is applied, so that a provider
 * that hears anything else tells it again. GET too, which some providers report by (MessageBird, "SMS status reports";
 * Vonage, "Delivery receipts").
 */
export function createCallbacks(options: CallbacksOptions): Route {
  const { metrics } = options
  const calls = metrics.counter('carillon_callbacks_total', 'Calls of providers that report.', ['kind', 'result'])
  const reports = metrics.counter('carillon_reports_total', 'What providers reported of messages.', ['kind', 'result'])
  const observed: Observed = (kind, result, counts) => {
    calls.inc({ kind, result })
    for (const [fate, count] of Object.entries(counts ?? {})) reports.inc({ kind, result: fate }, count)
  }
  return { path: CALLBACK_PATH, methods: ['GET', 'POST'], answer: (request) => answerCallback(request, options, observed) }
}

/** counts: of what was taken. */
type Observed = (kind: string, result: CallbackReading['kind'], counts: ReportCounts | null) => void

async function answerCallback(request: RouteRequest, options: CallbacksOptions, observed: Observed): Promise<Page> {
  const [environmentId, providerId, token, ...rest] = request.url.pathname.slice(CALLBACK_PATH.length + 1).split('/')
  if (environmentId === undefined || providerId === undefined || token === undefined || rest.length > 0) return nothingHere()
  const place = { environmentId, providerId }
  // Before anything is looked up: how long the answer takes says nothing of which accounts there are.
  if (!options.links.opens(place, token)) return nothingHere()
  const account = await options.readAccount(place)
  const provider = options.providers.find(({ kind }) => kind === account?.kind)
  if (account === null || provider?.readCallback === undefined) return nothingHere()
  const callback: Callback = {
    method: request.method,
    url: `${options.links.urlWith(place, token)}${request.url.search}`,
    headers: onceEach(request.headerValues),
    body: await request.body(MAX_BYTES),
  }
  const reading = await read(provider, callback, {
    settings: options.settingsOf(account),
    http: options.http,
    now: options.now(),
  })
  if (reading.kind !== 'reports') {
    observed(provider.kind, reading.kind, null)
    return text(reading.kind === 'forged' ? 401 : 400, `${reading.error}\n`)
  }
  const counts = await options.apply({ ...place, reports: reading.reports })
  observed(provider.kind, reading.kind, counts)
  return text(200, '')
}

/** What a fault says may quote what was sent, addresses and all; only where it arose is fit for the log. */
async function read(provider: Provider, callback: Callback, context: CallbackContext<unknown>): Promise<CallbackReading> {
  try {
    return await provider.readCallback!(callback, context)
  } catch (fault) {
    const wordless = new Error(`The provider file of '${provider.kind}' threw while it read a callback.`)
    const frames = fault instanceof Error ? (fault.stack ?? '').split('\n').filter((line) => line.startsWith('    at ')) : []
    wordless.stack = [`Error: ${wordless.message}`, ...frames].join('\n')
    throw wordless
  }
}

function onceEach(values: RouteRequest['headerValues']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, all]) => (all?.length === 1 ? [[name, all[0]!] as const] : [])),
  )
}

const nothingHere = () => text(404, 'There is nothing here.\n')

function text(status: number, body: string): Page {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}
