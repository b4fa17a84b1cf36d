import { createHash } from 'node:crypto'
import { v7 } from 'uuid'
import { badInput } from '../errors.ts'

/** An id that sorts by the time it was made (UUID version 7, RFC 9562): `msg_0192f0c1…`. */
export function newId(prefix: 'msg' | 'req' | 'key' | 'dlt' | 'dtk' | 'job'): string {
  return `${prefix}_${v7().replaceAll('-', '')}`
}

/** The last round of retries that messageIdAt has room for. */
export const LAST_ROUND = 0xfff

/**
 * The message of one user of a bulk job: the same on every try, so that what is made again after a crash is made once. A UUID
 * of version 8 (RFC 9562): the time of the job's request, the round (0; higher for those that are sent again), the user's
 * position, and a hash. So a job's messages stand in the order of their making, and a round's behind those of the round before.
 */
export function messageIdAt(requestId: string, round: number, position: number): string {
  const time = requestId.slice('req_'.length, 16)
  const hash = createHash('sha256').update(`${requestId}\n${round}\n${position}`).digest().readUInt32BE() >>> 6
  const rest = (0b10n << 62n) | (BigInt(position) << 26n) | BigInt(hash)
  return `msg_${time}8${hex(round, 3)}${hex(rest, 16)}`
}

/** Every message of earlier rounds sorts before it, every message of this round behind it. */
export function roundStart(requestId: string, round: number): string {
  return `msg_${requestId.slice('req_'.length, 16)}8${hex(round, 3)}`
}

/** Of an id that messageIdAt made. */
export function positionIn(messageId: string): number {
  return Number((BigInt(`0x${messageId.slice(-16)}`) >> 26n) & 0xfffffffffn)
}

const hex = (number: number | bigint, digits: number) => number.toString(16).padStart(digits, '0')

/** The delivery of one message through one account to one address: the same on every try. */
export function deliveryId(messageId: string, providerId: string, address: string): string {
  const hash = createHash('sha256').update(`${messageId}\n${providerId}\n${address}`).digest('base64url')
  return `dlv_${hash.slice(0, 27)}`
}

const DELIVERY_PREFIX_LENGTH = 20

/** What a provider is told a delivery's repetitions by, and gives back in its reports. `[A-Za-z0-9_-]{1,64}`. */
export function deliveryKey(messageId: string, deliveryId: string): string {
  return `${messageId}_${deliveryId.slice('dlv_'.length, DELIVERY_PREFIX_LENGTH)}`
}

/** Whose key it is: the message, and the beginning of the delivery's id. Null for what cannot be one. */
export function readDeliveryKey(key: string): { readonly messageId: string; readonly idPrefix: string } | null {
  const parts = /^([A-Za-z0-9_-]{1,64})_([A-Za-z0-9_-]{16})$/.exec(key)
  return parts && { messageId: parts[1]!, idPrefix: `dlv_${parts[2]}` }
}

/** Ids that callers choose: 1 to 256 characters, no control characters, no white space at either end; case counts. */
export function checkId(id: string, path: readonly (string | number)[]): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (id.length === 0 || id.length > 256 || /[\u0000-\u001f\u007f]/.test(id) || id.trim() !== id) {
    throw badInput(path, `'${path.at(-1)}' must be 1 to 256 characters, without control characters or white space at its ends.`)
  }
  return id
}

/** Ids of what an operator names (providers, environments): letters, digits, dot, dash and underscore. */
export function checkSlug(id: string, path: readonly (string | number)[]): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) {
    throw badInput(
      path,
      `'${path.at(-1)}' must be 1 to 128 letters, digits, dots, dashes or underscores, and begin with a letter or digit.`,
    )
  }
  return id
}

/** Names are for people: 1 to 256 characters. */
export function checkName(name: string, path: readonly (string | number)[]): string {
  if (name.trim().length === 0 || name.length > 256) throw badInput(path, `'${path.at(-1)}' must be 1 to 256 characters.`)
  return name
}
