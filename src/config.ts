import { BlockList, isIP } from 'node:net'
import { z } from 'zod'

/** Environment variables as `process.env` has them. An empty value is the same as none. */
export type Environment = Readonly<Record<string, string | undefined>>

interface Setting<T, D extends string | null> {
  readonly read: z.ZodType<T, string>
  /** What it is when the environment does not say; null: nothing. */
  readonly fallback: D
  /** How the table states the default, where the value alone says too little. */
  readonly shown: string
  readonly meaning: string
}

function setting<T, D extends string | null>(read: z.ZodType<T, string>, fallback: D, meaning: string, shown?: string) {
  return { read, fallback, meaning, shown: shown ?? fallback ?? 'unset' } satisfies Setting<T, D>
}

function integer(min: number, max: number): z.ZodType<number, string> {
  const complaint =
    max === Number.MAX_SAFE_INTEGER ? `must be a whole number, ${min} or more` : `must be a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,15}$/, complaint)
    .transform(Number)
    .refine((value) => value >= min && value <= max, complaint)
}

const count = integer(1, Number.MAX_SAFE_INTEGER)

function url(...schemes: readonly string[]): z.ZodType<string, string> {
  const complaint = `must be a URL that begins with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`
  const fits = (text: string) => URL.canParse(text) && schemes.includes(new URL(text).protocol)
  return z.string().refine(fits, { error: complaint, abort: true })
}

function list<T>(entry: z.ZodType<T, string>): z.ZodType<readonly T[], string> {
  return z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .transform((parts) => parts.filter((part) => part !== ''))
    .pipe(z.array(entry))
}

const publicUrl = url('http:', 'https:')
  .refine((text) => new URL(text).search === '' && new URL(text).hash === '', 'must have no ? and no #')
  .transform((text) => text.replace(/\/+$/, ''))

const origin = z
  .string()
  .refine(
    (text) => /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text,
    'must be exact origins such as https://app.example.com, separated by commas',
  )

const network = z
  .string()
  .transform((text) => (isIP(text) === 0 ? text : `${text}/${isIP(text) === 4 ? 32 : 128}`))
  .refine(isNetwork, 'must be networks such as 10.0.0.0/8 or fd00::/8, separated by commas')

function isNetwork(text: string): boolean {
  const [, address, prefix] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? []
  const family = isIP(address ?? '')
  if (address === undefined || family === 0) return false
  try {
    new BlockList().addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6')
    return true
  } catch {
    return false
  }
}

const secretKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 random bytes in base64 (openssl rand -base64 32), several separated by commas')
  .transform((text): Uint8Array => Buffer.from(text, 'base64'))

const role = z.enum(['api', 'worker'], 'must be api, worker, or api,worker')
const adminKey = z.string().regex(/^ck_live_[A-Za-z0-9_-]{32,}$/, 'must be ck_live_ and at least 32 letters, digits, _ or -')

/** Calls a minute of each management mutation: by one API key, or by one user. */
const RATE_LIMITS: Readonly<Record<string, number>> = {
  putList: 20,
  deleteList: 20,
  subscribeToList: 20,
  unsubscribeFromList: 20,
  putAudience: 20,
  deleteAudience: 20,
  putTopic: 20,
  deleteTopic: 20,
  putTenant: 200,
  deleteTenant: 200,
  putBrand: 200,
  deleteBrand: 200,
  putTemplate: 200,
  publishTemplate: 200,
  deleteTemplate: 200,
  putProvider: 200,
  deleteProvider: 200,
  putWebhookEndpoint: 20,
  deleteWebhookEndpoint: 20,
  rotateWebhookSecret: 20,
  putEnvironment: 20,
  createApiKey: 20,
  rotateApiKey: 20,
  revokeApiKey: 20,
}

const rateLimit = z
  .string()
  .regex(/^\w+ *= *\d{1,9}$/, 'must be off, or entries such as putList=100 separated by commas')
  .transform((text) => text.split('=').map((part) => part.trim()) as [name: string, calls: string])
  .refine(([name]) => Object.hasOwn(RATE_LIMITS, name), `may name only ${Object.keys(RATE_LIMITS).join(', ')}`)

const NO_RATE_LIMITS = Object.keys(RATE_LIMITS).map((name) => `${name}=0`)

/** Our limits, those given in the place of ours; what is 0 is left out. */
const rateLimits = z
  .string()
  .transform((text) => (text.trim() === 'off' ? NO_RATE_LIMITS.join() : text))
  .pipe(list(rateLimit))
  .transform((given): Readonly<Record<string, number>> => {
    const limits = { ...RATE_LIMITS, ...Object.fromEntries(given.map(([name, calls]) => [name, Number(calls)])) }
    return Object.fromEntries(Object.entries(limits).filter(([, calls]) => calls > 0))
  })

const logLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])

const SETTINGS = {
  PORT: setting(integer(0, 65_535), '4000', 'Where HTTP and WebSocket listen; 0 is any free port.'),
  HOST: setting(z.string().trim(), '127.0.0.1', 'The address they listen on; 0.0.0.0 is all of them.'),
  DATABASE_URL: setting(
    url('postgres:', 'postgresql:'),
    null,
    'PostgreSQL 15 or newer. Unset, a PostgreSQL of our own runs in CARILLON_DATA_DIR.',
    'unset: embedded',
  ),
  REDIS_URL: setting(
    url('redis:', 'rediss:'),
    null,
    'Carries the log between processes and counts for their rate limits. Without it they see each other’s events a second later, and each counts for itself.',
    'unset: in process',
  ),
  CARILLON_DATA_DIR: setting(
    z.string(),
    './.carillon',
    'Holds the embedded database, caught mail and generated secrets (mode 0700).',
  ),
  CARILLON_ROLES: setting(
    list(role).refine((roles) => roles.length > 0, 'must be api, worker, or api,worker'),
    'api,worker',
    'What this process does. A lone role needs DATABASE_URL.',
  ),
  CARILLON_SECRET: setting(
    list(secretKey).refine((keys) => keys.length > 0, 'must hold at least one key'),
    null,
    '32 random bytes in base64: encrypts secrets at rest, signs cursors and user tokens. While it is rotated several, with commas; the first is used.',
    'generated when embedded, otherwise required',
  ),
  CARILLON_ADMIN_KEY: setting(
    adminKey,
    null,
    'An API key with every scope that exists at start: ck_live_ and at least 32 random characters.',
    'generated when embedded, otherwise required until a key exists',
  ),
  CARILLON_PUBLIC_URL: setting(
    publicUrl,
    null,
    'As callers reach us: the base of our own pages and of the links in mails, so a lone worker needs it too; also what a webhook must not call.',
    'http://HOST:PORT',
  ),
  SMTP_URL: setting(
    url('smtp:', 'smtps:'),
    null,
    'A mail server that exists as an email provider at start. Unset, mail is caught, kept as .eml and shown at /mail.',
    'unset: a catcher',
  ),
  MAIL_FROM: setting(z.string().trim(), null, 'The sender of that provider’s mail: `Name <address>`. Required with SMTP_URL.'),
  CARILLON_ALLOWED_NETWORKS: setting(
    list(network),
    '',
    'Networks (CIDR, commas) that user-supplied URLs may reach although they are private, there also over http and on any port.',
    'empty',
  ),
  CARILLON_ALLOWED_ORIGINS: setting(
    list(origin),
    '',
    'Web pages (exact origins, commas) that may call, over HTTP and WebSocket. Callers without an Origin are no pages.',
    'empty: our own',
  ),
  CARILLON_LEASE_SECONDS: setting(
    integer(3, 86_400),
    '60',
    'After this long a silent worker’s messages are taken by another. Its heartbeat renews it each third, so one call may last longer.',
  ),
  CARILLON_POOL_SIZE: setting(integer(2, 1000), '20', 'Connections to PostgreSQL that one process may hold.'),
  CARILLON_MAX_BODY_BYTES: setting(count, '6291456', 'The largest request body taken, in bytes (6 MiB).'),
  CARILLON_MAX_LIST_ENTRIES: setting(count, '10000', 'The most entries a list argument may have.'),
  CARILLON_MAX_FRAME_BYTES: setting(count, '65536', 'The largest WebSocket message taken, in bytes (64 KiB).'),
  CARILLON_MAX_SUBSCRIPTIONS_PER_SOCKET: setting(count, '50', 'The most subscriptions on one socket.'),
  CARILLON_MAX_SOCKETS_PER_USER: setting(count, '20', 'The most sockets of one user token’s user; keys are not counted.'),
  CARILLON_MAX_SOCKETS: setting(count, '5000', 'The most sockets of one process; beyond it an upgrade gets 503.'),
  CARILLON_RATE_LIMITS: setting(
    rateLimits,
    '',
    'Calls a minute that one API key or user may make of each management mutation: `putList=100,putBrand=0`, where 0 is no limit, or `off` for no limits at all.',
    '200 for tenants, brands, templates and providers, otherwise 20',
  ),
  NODE_ENV: setting(z.string(), null, '`production`: no GraphiQL.'),
  LOG_LEVEL: setting(
    logLevel,
    'info',
    'fatal, error, warn, info, debug, trace or silent. One JSON object a line, pretty on a terminal.',
  ),
} as const

type Name = keyof typeof SETTINGS
type Value<N extends Name> =
  | z.output<(typeof SETTINGS)[N]['read']>
  | ((typeof SETTINGS)[N]['fallback'] extends null ? null : never)
type Values = { readonly [N in Name]: Value<N> }

/** What the environment says, read once at start. Only main, app and cli see it; others are handed what they need. */
export type Config = ReturnType<typeof arrange>

/**
 * Reads the configuration from environment variables. Pure.
 *
 * @throws one Error whose message has a line for each variable that is wrong and each pair that does not go together
 */
export function loadConfig(env: Environment): Config {
  const { values, complaints } = readAll(env)
  complaints.push(...refusedPairs(values))
  if (complaints.length > 0) throw new Error(`The configuration is wrong:\n${complaints.map((line) => `  ${line}`).join('\n')}`)
  return freeze(arrange(values as Values))
}

/** The table of every variable, its default and its meaning, in Markdown: what the README prints. */
export function settingsTable(): string {
  const rows = Object.entries(SETTINGS).map(([name, { shown, meaning }]) => `| ${name} | ${shown} | ${meaning} |`)
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}

function readAll(env: Environment): { values: Partial<Values>; complaints: string[] } {
  const values: Record<string, unknown> = {}
  const complaints: string[] = []
  for (const [name, { read, fallback }] of Object.entries(SETTINGS)) {
    const text = env[name] || fallback
    if (text === null) {
      values[name] = null
      continue
    }
    const result = read.safeParse(text)
    if (result.success) values[name] = result.data
    else complaints.push(`${name}: ${result.error.issues[0]?.message}`)
  }
  return { values: values as Partial<Values>, complaints }
}

/** A value that could not be read (undefined) has its complaint already. */
function refusedPairs(values: Partial<Values>): string[] {
  const complaints: string[] = []
  const roles = new Set(values.CARILLON_ROLES)
  if (roles.size === 1 && values.DATABASE_URL === null) {
    complaints.push('CARILLON_ROLES: a lone role needs DATABASE_URL, since the embedded database belongs to one process')
  }
  if (values.DATABASE_URL && values.CARILLON_SECRET === null) {
    complaints.push('CARILLON_SECRET: is required with DATABASE_URL (openssl rand -base64 32), equal in every process')
  }
  if (values.SMTP_URL && values.MAIL_FROM === null) {
    complaints.push('MAIL_FROM: is required with SMTP_URL')
  }
  return complaints
}

function arrange(values: Values) {
  return {
    http: {
      host: values.HOST,
      port: values.PORT,
      /** Without a slash at its end; null: made from host and port once they are known. */
      publicUrl: values.CARILLON_PUBLIC_URL,
      allowedOrigins: values.CARILLON_ALLOWED_ORIGINS,
      /** GraphiQL is shown outside production. */
      production: values.NODE_ENV === 'production',
    },
    /** url null: embedded. */
    database: { url: values.DATABASE_URL, poolSize: values.CARILLON_POOL_SIZE },
    /** null: everything stays in this process. */
    redisUrl: values.REDIS_URL,
    dataDir: values.CARILLON_DATA_DIR,
    roles: { api: values.CARILLON_ROLES.includes('api'), worker: values.CARILLON_ROLES.includes('worker') },
    /** 32 bytes each, the first is used; null: to be generated into the data dir. */
    secretKeys: values.CARILLON_SECRET,
    /** null: to be generated into the data dir when embedded; otherwise a key must exist in the database. */
    adminKey: values.CARILLON_ADMIN_KEY,
    /** smtpUrl null: mail is caught. */
    mail: { smtpUrl: values.SMTP_URL, from: values.MAIL_FROM },
    /** CIDRs. */
    allowedNetworks: values.CARILLON_ALLOWED_NETWORKS,
    leaseSeconds: values.CARILLON_LEASE_SECONDS,
    limits: {
      bodyBytes: values.CARILLON_MAX_BODY_BYTES,
      listEntries: values.CARILLON_MAX_LIST_ENTRIES,
      frameBytes: values.CARILLON_MAX_FRAME_BYTES,
      subscriptionsPerSocket: values.CARILLON_MAX_SUBSCRIPTIONS_PER_SOCKET,
      socketsPerUser: values.CARILLON_MAX_SOCKETS_PER_USER,
      sockets: values.CARILLON_MAX_SOCKETS,
      /** By mutation; one that is not among them has none. */
      callsPerMinute: values.CARILLON_RATE_LIMITS,
    },
    logLevel: values.LOG_LEVEL,
  } as const
}

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    // Bytes cannot be frozen.
    if (typeof part === 'object' && part !== null && !ArrayBuffer.isView(part)) freeze(part)
  }
  return Object.freeze(value)
}

/** Ourselves, as a webhook must not call us. */
export function ownHosts({ http }: Config): readonly string[] {
  const own = [`${http.host}:${http.port}`]
  if (http.publicUrl !== null) {
    const { hostname, port, protocol } = new URL(http.publicUrl)
    own.push(`${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`)
  }
  return own
}
