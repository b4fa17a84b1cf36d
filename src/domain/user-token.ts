import type { KeyObject } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { badInput } from '../errors.ts'
import type { TokenKeys } from '../secrets.ts'
import { type Actor, TOKEN_SCOPES, type TokenActor, type TokenScope } from './actor.ts'
import type { Command } from './command.ts'
import { checkId } from './id.ts'

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
export function issueUserToken(keys: TokenKeys): Command<IssueTokenInput, IssuedToken> {
  return async ({ actor, now }, input) => {
    checkIssue(input)
    const jwt = signed(actor, input, now)
    // A JWT counts seconds (RFC 7519).
    const expiresAt = new Date(Math.floor((now.getTime() + input.expiresInMs) / 1000) * 1000)
    const token = await jwt.setExpirationTime(expiresAt).setProtectedHeader(headerOf(keys)).sign(keys.current.privateKey)
    return { token, expiresAt: expiresAt.toISOString() }
  }
}

/** expiresAt: ISO 8601. */
export interface IssuedToken {
  readonly token: string
  readonly expiresAt: string
}

const headerOf = ({ current }: TokenKeys) => ({ alg: 'EdDSA', kid: current.kid, typ: 'JWT' })

function signed(actor: Actor, input: IssueTokenInput, now: Date): SignJWT {
  const claims = {
    env: actor.environmentId,
    scopes: [...new Set(input.scopes)],
    ...(input.tenantId != null && { tenant: input.tenantId }),
    ...(input.requestIds?.length && { requests: input.requestIds }),
    ...(input.jobIds?.length && { jobs: input.jobIds }),
  }
  const jwt = new SignJWT(claims).setIssuer(ISSUER).setAudience(AUDIENCE).setIssuedAt(now)
  return input.userId == null ? jwt : jwt.setSubject(input.userId)
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
