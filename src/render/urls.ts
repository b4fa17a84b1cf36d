/** Pages of the reader's own. Absolute http(s) addresses; the line that names them stands only where unsubscribe does. */
export interface Urls {
  readonly unsubscribe: string | null
  readonly preferences: string | null
}

/** An address that may stand in a link or an image of a mail: http(s), at most 2,048 characters, no user info and no white space. */
export function isWebUrl(text: string): boolean {
  if (text.length > 2048 || /[\s\p{Cc}"'<>\\`]/u.test(text)) return false
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
  return href.length <= 2048 && (MAIL.test(href) || PHONE.test(href)) ? href : null
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
 * an address, or its beginning; any other is a part of one: of the path, where it may hold slashes, or of the host, the query
 * or the fragment, where it may not.
 */
export function fillAddress(parts: readonly (string | number)[], values: readonly string[]): string {
  let address = ''
  for (const part of parts) {
    if (typeof part === 'string') address += part
    else if (address.trim() === '') address += values[part] ?? ''
    else address += encoded(values[part] ?? '', isPath(address))
  }
  return address
}

function encoded(value: string, isInPath: boolean): string {
  const safe = encodeURIComponent(value.toWellFormed())
  return isInPath ? safe.replace(/%(?:2F|3A|40|2B|2C|3D|24)/g, decodeURIComponent) : safe
}

/** Whether what follows an address's beginning is in its path. */
const isPath = (address: string) => !/[?#]/.test(address) && !/^[^:/]*:?\/\/[^/]*$/.test(address)
