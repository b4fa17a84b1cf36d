import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

/** Everything that depends on CARILLON_SECRET. The first key is used; all of them open and verify what they once made. */
export interface Secrets {
  /**
   * Encrypts a secret for rest (AES-256-GCM, random nonce). `place` names the one row and column it belongs to, such as
   * `provider/production/smtp`: moved anywhere else it does not open.
   */
  seal(plain: string, place: string): string
  /**
   * As `seal`, but the same for the same text and place under the same key, so that who sees it twice knows as much: for what
   * must look the same each time it is written.
   */
  sealSame(plain: string, place: string): string
  /** @throws when it was sealed for another place, was changed, or its key is no longer among ours */
  open(sealed: string, place: string): string
  /**
   * HMAC-SHA256 of `text` in base64url. Signatures of one purpose are worth nothing for another. Cheap: used for each event.
   */
  sign(purpose: string, text: string): string
  /** As `sign`, by each of the keys, the first first: for keys that follow from a signature and were given out earlier. */
  signByEach(purpose: string, text: string): readonly string[]
  /** Takes the same time whatever differs. True for a signature by any of the keys. */
  verify(purpose: string, text: string, signature: string): boolean
  readonly tokenKeys: TokenKeys
}

/** Ed25519 keys of user tokens (EdDSA, RFC 8037). `kid` follows from the key, so all processes agree on it. */
export interface TokenKeys {
  readonly current: { readonly kid: string; readonly privateKey: KeyObject }
  /** Public keys, by kid, of every key that may still verify. */
  readonly byKid: ReadonlyMap<string, KeyObject>
}

interface Derived {
  readonly id: string
  readonly sealing: KeyObject
  readonly signing: Uint8Array
  readonly token: { readonly kid: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject }
  /** By purpose. Purposes are few and named in the code, never taken from input. */
  readonly byPurpose: Map<string, KeyObject>
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** An Ed25519 private key in PKCS #8 is this and the 32 bytes (RFC 8410, section 7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * @param keys CARILLON_SECRET: at least one key of 32 bytes; the first makes, all open and verify
 */
export function createSecrets(keys: readonly Uint8Array[]): Secrets {
  const derived = keys.map(derive)
  const current = derived[0]
  if (current === undefined) throw new Error('createSecrets needs at least one key.')
  const byId = new Map(derived.map((key) => [key.id, key]))
  return {
    seal: (plain, place) => seal(current, plain, place, randomBytes(NONCE_BYTES)),
    sealSame: (plain, place) => seal(current, plain, place, syntheticNonce(current, plain, place)),
    open: (sealed, place) => open(byId, sealed, place),
    sign: (purpose, text) => mac(current, purpose, text).toString('base64url'),
    signByEach: (purpose, text) => derived.map((key) => mac(key, purpose, text).toString('base64url')),
    verify(purpose, text, signature) {
      const given = fromBase64url(signature)
      return given !== null && derived.some((key) => equal(given, mac(key, purpose, text)))
    },
    tokenKeys: {
      current: { kid: current.token.kid, privateKey: current.token.privateKey },
      byKid: new Map(derived.map(({ token }) => [token.kid, token.publicKey])),
    },
  }
}

/** SHA-256 in hex: how an API key is stored. Fit for keys of ours, which are random; not for what people choose. */
export function hashKey(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function derive(key: Uint8Array): Derived {
  if (key.length !== 32) throw new Error('A key of CARILLON_SECRET has 32 bytes.')
  const privateKey = createPrivateKey({
    key: Buffer.concat([ED25519_PKCS8, expand(key, 'token')]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey(privateKey)
  const kid = createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('base64url')
    .slice(0, 16)
  return {
    id: Buffer.from(expand(key, 'key id')).subarray(0, 6).toString('base64url'),
    sealing: createSecretKey(expand(key, 'seal')),
    signing: expand(key, 'sign'),
    token: { kid, privateKey, publicKey },
    byPurpose: new Map(),
  }
}

function expand(key: Uint8Array, label: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', `carillon ${label}`, 32))
}

/**
 * A nonce must never serve two texts. This one follows from text and place by a keyed hash (synthetic, as in RFC 5297), so that
 * it comes again with the very same text alone; for others it is as good as random, and so collides no sooner than those of `seal`.
 */
function syntheticNonce(key: Derived, plain: string, place: string): Buffer {
  return mac(key, 'synthetic nonce', JSON.stringify([place, plain])).subarray(0, NONCE_BYTES)
}

function seal(key: Derived, plain: string, place: string, nonce: Buffer): string {
  const cipher = createCipheriv('aes-256-gcm', key.sealing, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place))
  const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${key.id}.${body.toString('base64url')}`
}

function open(byId: ReadonlyMap<string, Derived>, sealed: string, place: string): string {
  const dot = sealed.indexOf('.')
  const key = byId.get(sealed.slice(0, Math.max(dot, 0)))
  if (key === undefined) throw new Error(`What is sealed at ${place} needs a key that CARILLON_SECRET does not hold.`)
  const body = fromBase64url(sealed.slice(dot + 1))
  if (body === null || body.length < NONCE_BYTES + TAG_BYTES) throw new Error(`What is sealed at ${place} is damaged.`)
  const decipher = createDecipheriv('aes-256-gcm', key.sealing, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(place))
  decipher.setAuthTag(body.subarray(-TAG_BYTES))
  try {
    return decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  } catch (cause) {
    throw new Error(`What is sealed at ${place} is damaged, or was sealed for another place.`, { cause })
  }
}

/** Base64 has several spellings of the same bytes; only the one we write counts. */
function fromBase64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

function mac(key: Derived, purpose: string, text: string): Buffer {
  let signing = key.byPurpose.get(purpose)
  if (signing === undefined) {
    // A key object: handing over bytes costs seven times as much per signature.
    signing = createSecretKey(expand(key.signing, `sign ${purpose}`))
    key.byPurpose.set(purpose, signing)
  }
  return createHmac('sha256', signing).update(text).digest()
}

function equal(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
