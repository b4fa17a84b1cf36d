import type { Rendered } from '../channels/provider.ts'
import type { Manner } from './block.ts'
import { type Message, underTitle } from './message.ts'

/** Signs that the alphabet of text messages has: one that it has not would make every part shorter. */
const MANNER: Manner = { bullet: '-', divider: '', links: true, images: false, actions: true }

/** A text message: the title above the body. payload: in how many parts it goes, SmsSize. */
export function renderSms({ title, blocks }: Message): Rendered {
  const text = smsText(underTitle(title, blocks, MANNER))
  return { text, payload: smsSize(text) }
}

/** A text as phones show it: line breaks, and no other control character, of which some services end the text at one. */
export function smsText(text: string): string {
  return text
    .replace(/\r\n?|[\v\f\u0085\u2028\u2029]/g, '\n')
    .replaceAll('\t', ' ')
    .replace(/(?!\n)\p{Cc}/gu, '')
}

/** characters: as the encoding counts them, in septets or UTF-16 units. segments: parts that are sent, and paid for. */
export interface SmsSize {
  readonly encoding: 'GSM_7' | 'UCS_2'
  readonly characters: number
  readonly segments: number
}

/** 3GPP TS 23.038, section 6.2.1: the default alphabet, and those of its extension table, which take two septets. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const EXTENDED = new Set('\f^{}\\[~]|€')

/** In one part alone, and in each of several, which say in a header of theirs which part they are (3GPP TS 23.040). */
const ROOM = { GSM_7: { alone: 160, each: 153 }, UCS_2: { alone: 70, each: 67 } }

/** What a text takes as an SMS. No character is parted: one that takes two places goes whole into the next part. */
export function smsSize(text: string): SmsSize {
  const signs = [...text]
  const isBasic = signs.every((sign) => BASIC.has(sign) || EXTENDED.has(sign))
  const encoding = isBasic ? 'GSM_7' : 'UCS_2'
  const sizes = signs.map((sign) => (isBasic ? (EXTENDED.has(sign) ? 2 : 1) : sign.length))
  const characters = sizes.reduce((sum, size) => sum + size, 0)
  const { alone, each } = ROOM[encoding]
  if (characters <= alone) return { encoding, characters, segments: characters === 0 ? 0 : 1 }
  return { encoding, characters, segments: partsOf(sizes, each) }
}

function partsOf(sizes: readonly number[], room: number): number {
  let parts = 1
  let left = room
  for (const size of sizes) {
    if (size > left) {
      parts += 1
      left = room
    }
    left -= size
  }
  return parts
}
