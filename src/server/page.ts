import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { Refusal } from '../errors.ts'
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
    request.resume()
    response.writeHead(page.status, { ...PAGE_HEADERS, 'content-security-policy': PAGE_POLICY, ...lowerCased(page.headers) })
    response.end(request.method === 'HEAD' ? undefined : page.body)
  }
}

async function answerOf(route: Route, request: IncomingMessage, url: URL, log: Logger): Promise<Page> {
  try {
    return await route.answer({ method: request.method ?? 'GET', url, headers: request.headers })
  } catch (error) {
    if (error instanceof Refusal) return text(error.status, `${error.message}\n`)
    log.error({ err: error, path: route.path }, 'a page failed on our side')
    return text(500, 'Something went wrong on our side.\n')
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function text(status: number, body: string): Page {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}
