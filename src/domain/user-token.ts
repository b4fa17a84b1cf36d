import type { KeyObject } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { badInput } from '../errors.ts'
import { type Actor, TOKEN_SCOPES, type TokenActor, type TokenScope } from './actor.ts'
import { checkId } from './id.ts'

/** Ed25519 keys by id; the first signs, all verify. */
export interface TokenKeys {
  readonly current: { readonly kid: string; readonly privateKey: KeyObject }
  readonly byKid: ReadonlyMap<string, KeyObject>
}

export interface IssueTokenInput {
  readonly userId?: string | null
  readonly tenantId?: string | null
  readonly requestIds?: readonly string[] | null
  readonly jobIds?: readonly string[] | null
  readonly scopes: readonly TokenScope[]
  /** In milliseconds. */
  readonly expiresInMs: number
}

const ISSUER = 'carillon'
const AUDIENCE = 'carillon'
const MAX_LIFE_MS = 24 * 3_600_000
const MAX_NAMED = 100

const Claims = z.object({
  env: z.string(),
  sub: z.string().optional(),
  tenant: z.string().optional(),
  requests: z.array(z.string()).default([]),
  jobs: z.array(z.string()).default([]),
  scopes: z.array(z.enum(TOKEN_SCOPES)),
  iat: z.number(),
  exp: z.number(),
})

/**
 * A signed token (EdDSA JWT, RFC 8037) for a browser or a phone: it can do what its scopes say, for its user and in its
 * environment, and follow the requests and jobs it names. At most 24 hours.
 */
export async function issueUserToken(
  keys: TokenKeys,
  actor: Actor,
  input: IssueTokenInput,
  now: Date,
): Promise<{ token: string; expiresAt: Date }> {
  checkIssue(input)
  const expiresAt = new Date(now.getTime() + input.expiresInMs)
  const claims = {
    env: actor.environmentId,
    scopes: [...new Set(input.scopes)],
    ...(input.tenantId != null && { tenant: input.tenantId }),
    ...(input.requestIds?.length && { requests: input.requestIds }),
    ...(input.jobIds?.length && { jobs: input.jobIds }),
  }
  const jwt = new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', kid: keys.current.kid, typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt(now)
    .setExpirationTime(expiresAt)
  if (input.userId != null) jwt.setSubject(input.userId)
  return { token: await jwt.sign(keys.current.privateKey), expiresAt: new Date(Math.floor(expiresAt.getTime() / 1000) * 1000) }
}

function checkIssue(input: IssueTokenInput): void {
  const { userId, tenantId, requestIds, jobIds } = input
  if (userId == null && !requestIds?.length && !jobIds?.length) {
    throw badInput(['input'], "At least one of 'userId', 'requestIds' and 'jobIds' must be given.")
  }
  if (userId != null) checkId(userId, ['input', 'userId'])
  if (tenantId != null) checkId(tenantId, ['input', 'tenantId'])
  if (input.scopes.length === 0) throw badInput(['input', 'scopes'], "'scopes' must name at least one scope.")
  for (const [name, ids] of Object.entries({ requestIds, jobIds })) {
    if ((ids?.length ?? 0) > MAX_NAMED) throw badInput(['input', name], `'${name}' may name at most ${MAX_NAMED}.`)
  }
  if (!(input.expiresInMs >= 1000 && input.expiresInMs <= MAX_LIFE_MS)) {
    throw badInput(['input', 'expiresIn'], "'expiresIn' must be between one second and 24 hours.")
  }
}

/** The actor a token makes, or null: expired, forged, for something else, or not ours. 60 seconds of leeway for clocks. */
export async function readUserToken(keys: TokenKeys, token: string, now: Date): Promise<TokenActor | null> {
  try {
    const { payload } = await jwtVerify(token, ({ kid }) => keyOf(keys, kid), {
      algorithms: ['EdDSA'],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['exp', 'iat', 'env', 'scopes'],
      maxTokenAge: MAX_LIFE_MS / 1000,
      clockTolerance: 60,
      currentDate: now,
    })
    const claims = Claims.parse(payload)
    if (claims.exp - claims.iat > MAX_LIFE_MS / 1000) return null
    return {
      kind: 'token',
      environmentId: claims.env,
      userId: claims.sub ?? null,
      tenantId: claims.tenant ?? null,
      requestIds: claims.requests,
      jobIds: claims.jobs,
      scopes: claims.scopes,
      expiresAt: new Date(claims.exp * 1000),
    }
  } catch {
    return null
  }
}

function keyOf(keys: TokenKeys, kid: string | undefined): KeyObject {
  const key = keys.byKid.get(kid ?? '')
  if (key === undefined) throw new Error('unknown kid')
  return key
}
