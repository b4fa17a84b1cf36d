import { Refusal } from '../errors.ts'
import type { LogPosition } from './read.ts'

/** A cursor is what a client keeps of a place in the log: opaque, signed, and of use in its own environment only. */
export interface Cursors {
  encode(environmentId: string, epoch: string, position: number): string
  /** Throws BAD_CURSOR for what this installation did not issue for this environment. Whether it is still of use, `follow` says. */
  decode(environmentId: string, cursor: string): LogPosition
}

interface Signer {
  sign(purpose: string, text: string): string
  verify(purpose: string, text: string, signature: string): boolean
}

const PURPOSE = 'cursor'
const LONGEST = 512
const SHAPE = /^(0|[1-9]\d{0,15})\.([\w-]+)\.(.+)$/

export function createCursors(secrets: Signer): Cursors {
  return {
    encode(environmentId, epoch, position) {
      const signature = secrets.sign(PURPOSE, signed(environmentId, epoch, position))
      return Buffer.from(`${position}.${epoch}.${signature}`).toString('base64url')
    },
    decode(environmentId, cursor) {
      const text = unpack(cursor)
      const [, digits, epoch, signature] = SHAPE.exec(text) ?? []
      if (!digits || !epoch || !signature) throw badCursor()
      const position = Number(digits)
      if (!secrets.verify(PURPOSE, signed(environmentId, epoch, position), signature)) throw badCursor()
      return { epoch, position }
    },
  }
}

/** Decoding base64url forgives much; a cursor has exactly one spelling. */
function unpack(cursor: string): string {
  if (cursor.length > LONGEST) throw badCursor()
  const bytes = Buffer.from(cursor, 'base64url')
  if (bytes.toString('base64url') !== cursor) throw badCursor()
  return bytes.toString('latin1')
}

/** JSON, so that no two triples have the same text. */
function signed(environmentId: string, epoch: string, position: number): string {
  return JSON.stringify([environmentId, epoch, position])
}

function badCursor(): Refusal {
  return new Refusal('BAD_CURSOR', 'The cursor is not one that was issued here.')
}
