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
