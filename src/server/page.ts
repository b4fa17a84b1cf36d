import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { Refusal } from '../errors.ts'
import { sendWhole } from './answer.ts'
import { CallerGone, readBody } from './body.ts'
import type { Page, Route } from './route.ts'

/** On every page: it is not framed, its type is not guessed, and where it links to does not learn its address. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** What a page may load unless it says otherwise: nothing but its own styles and pictures. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/** The routes for operators: alive, ready to serve, and numbers for Prometheus. */
export function healthRoutes(ready: () => Promise<boolean>, metricsText: () => Promise<string>): readonly Route[] {
  return [
    { path: '/livez', answer: async () => text(200, 'alive\n') },
    { path: '/readyz', answer: async () => ((await ready()) ? text(200, 'ready\n') : text(503, 'not ready\n')) },
    { path: '/metrics', answer: async () => text(200, await metricsText()) },
  ]
}

/** Answers pages outside the graph: the route with the longest path that fits, or 404. */
export function pageHandler(
  routes: readonly Route[],
  log: Logger,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const longestFirst = [...routes].sort((one, other) => other.path.length - one.path.length)

  return async (request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://carillon.invalid')
    const route = url && longestFirst.find(({ path }) => url.pathname === path || url.pathname.startsWith(`${path}/`))
    const page = url && route ? await answerOf(route, request, url, log) : text(404, 'There is nothing here.\n')
    if (page === null) return
    const headers = { ...PAGE_HEADERS, 'content-security-policy': PAGE_POLICY, ...lowerCased(page.headers) }
    sendWhole(request, response, { ...page, headers })
  }
}

/** Null where the caller went away before there was anything to answer. */
async function answerOf(route: Route, request: IncomingMessage, url: URL, log: Logger): Promise<Page | null> {
  const { method = 'GET', headers, headersDistinct: headerValues } = request
  if (route.methods?.includes(method) === false) return notAllowed(route.methods)
  try {
    return await route.answer({ method, url, headers, headerValues, body: (limit) => readBody(request, limit) })
  } catch (error) {
    if (error instanceof CallerGone) return null
    if (error instanceof Refusal) return text(error.status, `${error.message}\n`)
    log.error({ err: error, path: route.path }, 'a page failed on our side')
    return text(500, 'Something went wrong on our side.\n')
  }
}

function notAllowed(methods: readonly string[]): Page {
  const page = text(405, 'This page cannot be asked for in that way.\n')
  return { ...page, headers: { ...page.headers, allow: methods.join(', ') } }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function text(status: number, body: string): Page {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}
