import { pino } from 'pino'
import { PinoPretty } from 'pino-pretty'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface Observer {
  readonly log: pino.Logger
  readonly metrics: Metrics
}

/** Labels are from closed lists, never ids, addresses or texts: each value is a series that stays. */
export interface Metrics {
  /** The counter of that name; made at the first call, the same one afterwards. */
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>
  /** Buckets in the metric's unit; absent: from 5 ms to 10 s, in seconds. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): Histogram<L>
  /** With `read`, its value is asked for when the metrics are. */
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[], read?: () => number): Gauge<L>
  /** Prometheus' text format 0.0.4. */
  text(): Promise<string>
  readonly contentType: string
}

/** Fields that hold a secret wherever they appear in what is logged, down to three levels. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'secret',
  'secrets',
  'token',
  'password',
  'apiKey',
  'adminKey',
  'privateKey',
  'connectionParams',
  'parameters',
]

/**
 * @param options level: pino's; pretty: for people on a terminal, otherwise one JSON object a line;
 *   destination: where lines go, by default standard output
 */
export function createObserver(options: {
  readonly level: pino.LevelWithSilent
  readonly pretty: boolean
  readonly destination?: NodeJS.WritableStream
}): Observer {
  const out = options.destination ?? process.stdout
  const stream = options.pretty
    ? PinoPretty({
        destination: out,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        colorize: options.destination === undefined,
      })
    : out
  const log = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths(), censor: '[redacted]' },
      hooks: { logMethod: nameError },
      serializers: { err: describeError, error: describeError },
    },
    stream,
  )
  return { log, metrics: createMetrics() }
}

/** A line without words of its own gets the error's, which pino would take as they are. */
function nameError(this: pino.Logger, args: Parameters<pino.LogFn>, method: pino.LogFn): void {
  const [first, message] = args as unknown[]
  const error = first instanceof Error ? first : (first as { err?: unknown } | null)?.err
  if (message === undefined && error instanceof Error) method.call(this, { ...fieldsOf(first), err: error }, publicMessage(error))
  else method.apply(this, args)
}

function fieldsOf(first: unknown): object {
  return first instanceof Error ? {} : (first as object)
}

function redactedPaths(): string[] {
  return SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`])
}

/**
 * What is logged of an error: name, message, code, where it arose, and the same of its causes. Nothing else, because
 * database errors carry the SQL's parameters and the row in `detail`, `where` and `parameters`, and providers' errors whole replies.
 */
function describeError(error: unknown): unknown {
  return describe(error, 0)
}

function describe(error: unknown, depth: number): unknown {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code } = error as Error & { code?: unknown }
  const message = publicMessage(error)
  return {
    type: error.name,
    message,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    stack: error.stack?.replace(error.message, message),
    ...(error.cause === undefined || depth === 3 ? {} : { cause: describe(error.cause, depth + 1) }),
  }
}

/** PostgreSQL's errors have a severity, and end a sentence about a value with it: `invalid input syntax for type integer: "…"`. */
function publicMessage(error: Error): string {
  return 'severity' in error ? error.message.replace(/: ".*"$/s, '') : error.message
}

function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const make = <T>(name: string, create: () => T): T => (registry.getSingleMetric(name) as T | undefined) ?? create()
  return {
    counter: (name, help, labels = []) =>
      make(name, () => new Counter({ name, help, labelNames: [...labels], registers: [registry] })),
    histogram: (name, help, labels = [], buckets) =>
      make(name, () => {
        const shape = { name, help, labelNames: [...labels], registers: [registry] }
        return new Histogram(buckets === undefined ? shape : { ...shape, buckets: [...buckets] })
      }),
    gauge: (name, help, labels = [], read) =>
      make(name, () => {
        const shape = { name, help, labelNames: [...labels], registers: [registry] }
        return read === undefined
          ? new Gauge(shape)
          : new Gauge({
              ...shape,
              collect() {
                this.set(read())
              },
            })
      }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
