import type { Logger } from 'pino'
import { ENGAGEMENTS, type EngagementFate, type EngagementKind } from '../domain/tracking.ts'
import { TRACKING_PATH, type TrackedPlace, type TrackingLinks } from '../domain/tracking-link.ts'
import type { Metrics } from '../observe.ts'
import { unknownLinkPage } from './page-frame.ts'
import type { Page, Route, RouteRequest } from './route.ts'

export interface TrackingOptions {
  readonly links: Pick<TrackingLinks, 'readOpen' | 'readClick' | 'readPush'>
  /** In one transaction with others that come at the same time. */
  readonly record: (place: TrackedPlace, what: EngagementKind) => Promise<EngagementFate>
  readonly metrics: Metrics
  readonly log: Logger
}

/** How long an answer waits for what it tells to be written; it is written later all the same. */
const PATIENCE_MS = 300
/** While the database does not answer, no more than this wait to be written; what comes beyond is lost. */
const MOST_WAITING = 10_000
const MAX_BYTES = 1_024

/**
 * Where mails and apps tell what became of messages, without a login: /t/o/<token>.gif is always the same picture of one pixel,
 * /t/c/<token>/<signature>?u=<link> leads on to a link that stood in one of our messages and never anywhere else, and /t/p/<token>
 * takes {"event": "OPENED"} from apps and service workers. An answer says nothing of whether the message is there, and
 * neither waits for the database for long nor fails with it. HEAD counts nothing: it is programs that look at links.
 */
export function createTracking(options: TrackingOptions): Route {
  const note = createNote(options)
  return {
    path: TRACKING_PATH,
    methods: ['GET', 'HEAD', 'POST', 'OPTIONS'],
    async answer(request) {
      const [kind, ...rest] = request.url.pathname.slice(TRACKING_PATH.length + 1).split('/')
      const isPost = request.method === 'POST' || request.method === 'OPTIONS'
      if (kind === 'o' && !isPost) return answerOpen(request, rest.join('/'), options, note)
      if (kind === 'c' && !isPost && rest.length === 2) return answerClick(request, rest[0]!, rest[1]!, options, note)
      if (kind === 'p' && isPost && rest.length === 1) return answerPush(request, rest[0]!, options, note)
      return unknownLinkPage()
    },
  }
}

/** Resolves when it is written, or nobody waits for it any more. */
type Note = (place: TrackedPlace, what: EngagementKind) => Promise<void>

function createNote({ record, metrics, log }: TrackingOptions): Note {
  const help = 'Openings and clicks that were told. lost: the database did not take them.'
  const counted = metrics.counter('carillon_engagements_total', help, ['channel', 'what', 'result'])
  let waiting = 0
  return async (place, what) => {
    const { channel } = place
    if (waiting >= MOST_WAITING) return void counted.inc({ channel, what, result: 'lost' })
    waiting += 1
    const written = record(place, what)
      .catch((error: unknown) => {
        log.warn({ err: error, message: place.messageId }, 'what became of a message was told and could not be written')
        return 'lost' as const
      })
      .then((result) => {
        waiting -= 1
        counted.inc({ channel, what, result })
      })
    await within(PATIENCE_MS, written)
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, patience])
  clearTimeout(timer)
}

async function answerOpen({ method }: RouteRequest, name: string, { links }: TrackingOptions, note: Note): Promise<Page> {
  const place = method === 'GET' ? links.readOpen(name.replace(/\.gif$/, '')) : null
  if (place !== null) await note(place, 'OPENED')
  return { status: 200, headers: { 'content-type': 'image/gif', 'content-length': `${PIXEL.length}` }, body: PIXEL }
}

async function answerClick(
  { method, url }: RouteRequest,
  token: string,
  signature: string,
  { links }: TrackingOptions,
  note: Note,
): Promise<Page> {
  const link = links.readClick(token, signature, url.searchParams.get('u') ?? '')
  if (link === null) return unknownLinkPage()
  if (method === 'GET') await note(link.place, 'CLICKED')
  return { status: 302, headers: { location: link.location }, body: '' }
}

/** Any page may ask: it is the token that says who it is about. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers': 'Content-Type',
  'access-control-max-age': '86400',
}

async function answerPush(request: RouteRequest, token: string, { links }: TrackingOptions, note: Note): Promise<Page> {
  if (request.method === 'OPTIONS') return { status: 204, headers: CORS, body: '' }
  const place = links.readPush(token)
  if (place === null) return text(404, 'There is nothing here.\n')
  const what = readEvent(await request.body(MAX_BYTES))
  if (what === null) return text(400, `The body must be {"event": "…"}, one of ${ENGAGEMENTS.join(', ')}.\n`)
  await note(place, what)
  return { status: 204, headers: CORS, body: '' }
}

/** Service workers cannot always choose the type of what they send, so it is not asked for. */
function readEvent(body: Uint8Array): EngagementKind | null {
  try {
    const { event } = JSON.parse(new TextDecoder().decode(body)) as { event?: unknown }
    return ENGAGEMENTS.find((kind) => kind === event) ?? null
  } catch {
    return null
  }
}

function text(status: number, body: string): Page {
  return { status, headers: { ...CORS, 'content-type': 'text/plain; charset=utf-8' }, body }
}

/** 1 × 1 pixel, transparent (GIF 89a). */
const PIXEL = Buffer.from('R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64')
