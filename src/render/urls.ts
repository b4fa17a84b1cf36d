/** Pages of the reader's own. Absolute http(s) addresses; the line that names them stands only where unsubscribe does. */
export interface Urls {
  readonly unsubscribe: string | null
  readonly preferences: string | null
}

/** In characters. */
const LONGEST = 2048

/** An address that may stand in a link or an image of a mail: http(s), at most 2,048 characters, no user info and no white space. */
export function isWebUrl(text: string): boolean {
  if (text.length > LONGEST || /[\s\p{Cc}"'<>\\`]/u.test(text)) return false
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

/**
 * An address that may be followed, or null: http(s) (as isWebUrl says), mailto and tel, judged as a whole. What addresses of
 * people have in them and isWebUrl does not take, spaces and quotes, comes back percent-encoded.
 */
export function checkHref(text: string): string | null {
  const href = text.trim().replace(/[ "'<>`]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
  if (isWebUrl(href)) return href
  return href.length <= LONGEST && (MAIL.test(href) || PHONE.test(href)) ? href : null
}

/** The address of an image in an email, or null: http(s), or `cid:` for a file that goes with it. */
export function checkImage(text: string): string | null {
  const source = checkHref(text)
  if (source !== null) return isWebUrl(source) ? source : null
  return /^cid:[\w.+@-]{1,255}$/i.test(text.trim()) ? text.trim() : null
}

/** No line break is in it, nor one percent-encoded: some programs would make header lines of it. */
const MAIL = /^mailto:(?!.*%0[ad])[^\s\p{Cc}\\]+$/iu
const PHONE = /^tel:\+?[\w().;=*#,%-]+$/i

/**
 * An address of its author's words and values, which stand in it as their numbers; not yet judged. A value that begins it is
 * an address, or its beginning; one right behind a host is what leads on from there, and begins with `/`, `?` or `#`. Any other
 * is a part of one: of the path, where it may hold slashes, or of the host, the query or the fragment, where it may not.
 *
 * Empty where a value would lead elsewhere than its author says: make another host of the one that stands before it, or climb
 * out of its place in the path by a segment of dots. Empty, too, where it is longer than any address may be.
 */
export function fillAddress(parts: readonly (string | number)[], values: readonly string[]): string {
  const isHostGoingOn = hostsGoingOn(parts)
  let address = ''
  /** Where values stand in the path; neighbours are one. */
  const inPath: { readonly from: number; to: number }[] = []
  for (const [index, part] of parts.entries()) {
    const place = typeof part === 'string' ? 'written' : placeAt(address, isHostGoingOn[index]!)
    const given = typeof part === 'string' ? part : (values[part] ?? '')
    if (place === 'onward' && !/^(?:[/?#]|$)/.test(given)) return ''
    const from = address.length
    address += from === 0 ? given.trimStart() : ENCODED[place](given)
    if (place === 'path' && inPath.at(-1)?.to === from) inPath.at(-1)!.to = address.length
    else if (place === 'path') inPath.push({ from, to: address.length })
    if (address.length > LONGEST) return ''
  }
  return inPath.some(({ from, to }) => climbs(address, from, to)) ? '' : address
}

/** What a part is of an address. whole: where it begins; onward: right behind its host. */
type AddressPlace = 'written' | 'whole' | 'onward' | 'host' | 'path' | 'query'

const asIs = (text: string) => text
const encoded = (text: string) => encodeURIComponent(text.toWellFormed())

const ENCODED: Readonly<Record<AddressPlace, (text: string) => string>> = {
  written: asIs,
  whole: asIs,
  onward: asIs,
  host: encoded,
  path: (text) => encoded(text).replace(/%(?:2F|3A|40|2B|2C|3D|24)/g, decodeURIComponent),
  query: encoded,
}

/** A host, as programs read it that follow links: however many slashes stand before it. */
const HOST = /^(?:https?:\/*|\/\/)([^/]*)$/i
/** A host has more to come behind it: a name, a number of a port. */
const UNFINISHED = /^$|[.:@[-]$/

function placeAt(address: string, isHostGoingOn: boolean): AddressPlace {
  if (address === '') return 'whole'
  if (/[?#]/.test(address)) return 'query'
  const host = HOST.exec(address)?.[1]
  if (host === undefined) return 'path'
  return isHostGoingOn || UNFINISHED.test(host) ? 'host' : 'onward'
}

/** Of each part, whether the author ends the host behind it, were it in one: with a name, and not with a port or a dot alone. */
function hostsGoingOn(parts: readonly (string | number)[]): readonly boolean[] {
  const going: boolean[] = []
  let isGoingOn = false
  for (let index = parts.length - 1; index >= 0; index -= 1) {
    going[index] = isGoingOn
    const part = parts[index]!
    if (typeof part === 'string' && part !== '') isGoingOn = /^[^/?#:]*[\p{L}\p{N}]/u.test(part.slice(0, LONGEST))
  }
  return going
}

/** Whether one of the segments that a value stands in leads up, or nowhere. Encoded dots are dots to whoever reads addresses. */
function climbs(address: string, from: number, to: number): boolean {
  const rest = address.slice(to).search(/[/?#]/)
  const segments = address.slice(address.lastIndexOf('/', from - 1) + 1, rest < 0 ? undefined : to + rest)
  return segments.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment.trim()))
}
