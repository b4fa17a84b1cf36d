import { ECDH } from 'node:crypto'
import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'
import type { AddressGuard } from './provider.ts'

/**
 * Which addresses a message may be sent to: email addresses, push subscriptions, webhook headers, and above all the URLs
 * and hosts that users name. Pure: nothing here looks a name up, the door (http.ts) and the mail pool (smtp.ts) do, and
 * ask `refuseAddress` for every address they find.
 */

const MAX_URL_LENGTH = 2_048
const UNREACHABLE = 'This address may not be reached.'

/** Names under which clouds hand out credentials to whoever asks from inside. */
const METADATA_NAMES = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.azure.internal',
])

/** Global unicast is 2000::/3 (RFC 4291); these parts of it lead elsewhere (RFC 6890: Teredo, ORCHID, 6to4, documentation). */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map((cidr) => ipaddr.IPv6.parseCIDR(cidr))

type Ip = ipaddr.IPv4 | ipaddr.IPv6
type Network = [Ip, number]

export interface AddressGuardOptions {
  /** CIDRs, or single addresses, that may be reached although they are private; there also over http and on any port. */
  readonly allowedNetworks: readonly string[]
  /** Hosts with port under which we are reached ourselves (`carillon.example.com:443`): calling them would be a loop. */
  readonly own?: readonly string[]
}

/**
 * The rule which addresses users may make us call: https on port 443 of public hosts, and whatever the operator's own
 * networks hold (OWASP API7, server-side request forgery). Throws when a network is not a CIDR.
 */
export function createAddressGuard(options: AddressGuardOptions): AddressGuard {
  const allowed = options.allowedNetworks.map(readNetwork)
  const own = new Set((options.own ?? []).map(readOwnHost))
  const isAllowed = (ip: Ip): boolean => allowed.some((network) => isWithin(ip, network))
  const allowsLoopback = isAllowed(ipaddr.parse('127.0.0.1')) || isAllowed(ipaddr.parse('::1'))

  function refuseHost(host: string): string | null {
    const name = bareHost(host)
    const ip = readIp(name)
    if (ip) return isAllowed(ip) || isPublic(ip) ? null : UNREACHABLE
    if (METADATA_NAMES.has(name)) return UNREACHABLE
    if (name === 'localhost' || name.endsWith('.localhost')) return allowsLoopback ? null : UNREACHABLE
    // A name without a dot is one of the operator's network, never a public one.
    if (!name.includes('.') && allowed.length === 0) return UNREACHABLE
    return null
  }

  function refuseUrl(text: string): string | null {
    if (text.length > MAX_URL_LENGTH) return `The URL is longer than ${MAX_URL_LENGTH} characters.`
    const url = URL.parse(text)
    if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '') return 'The URL must be an https URL.'
    if (url.username !== '' || url.password !== '') return 'The URL must not hold a user name or password.'
    const host = bareHost(url.hostname)
    if (own.has(`${host}:${portOf(url)}`)) return UNREACHABLE
    return refuseHost(host) ?? (isPlain(url) ? refusePlain(host) : null)
  }

  /** Where an address stands in the URL the answer is known; for a name it is found when it is resolved. */
  function refusePlain(host: string): string | null {
    const ip = readIp(host)
    const inAllowedNetwork = ip ? isAllowed(ip) : allowed.length > 0
    return inAllowedNetwork ? null : 'The URL must use https on port 443.'
  }

  function refuseAddress(text: string, plain = false): string | null {
    const ip = readIp(text)
    if (!ip) return UNREACHABLE
    if (isAllowed(ip)) return null
    return isPublic(ip) && !plain ? null : UNREACHABLE
  }

  return { refuseUrl, refuseHost, refuseAddress }
}

/** Whether a URL is one that only the operator's networks may be called by: not https, or not on port 443. */
export function isPlain(url: URL): boolean {
  return url.protocol !== 'https:' || portOf(url) !== '443'
}

function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80')
}

/** Lower case, without the brackets of an IPv6 literal and without the dot that ends a full name. */
function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}

function readOwnHost(text: string): string {
  const url = URL.parse(`https://${text}`)
  if (!url) throw new Error(`'${text}' is not a host with a port.`)
  return `${bareHost(url.hostname)}:${portOf(url)}`
}

function readNetwork(text: string): Network {
  const ip = readIp(text)
  if (ip) return [ip, ip.kind() === 'ipv4' ? 32 : 128]
  if (!ipaddr.isValidCIDR(text)) throw new Error(`'${text}' is not a network such as 10.0.0.0/8.`)
  return ipaddr.parseCIDR(text) as Network
}

/** An IPv4 address in its IPv6 clothes (::ffff:127.0.0.1) is that IPv4 address. */
function readIp(text: string): Ip | null {
  // ipaddr.js also reads 0x7f000001 and 127.1; URL parsing has turned those into four parts, so what is left is a name.
  const isLiteral = text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text)
  return isLiteral ? ipaddr.process(text) : null
}

function isWithin(ip: Ip, [network, bits]: Network): boolean {
  return ip.kind() === network.kind() && ip.match(network, bits)
}

function isPublic(ip: Ip): boolean {
  if (ip.range() !== 'unicast') return false
  if (ip.kind() === 'ipv4') return true
  return isWithin(ip, GLOBAL_IPV6) && !SPECIAL_IPV6.some((network) => isWithin(ip, network))
}

// ── Email addresses ──────────────────────────────────────────────────────────

const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const UNICODE_DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/

/**
 * Reads exactly one plain address (`ada@example.com`) and answers it with its domain in lower-case ASCII (RFC 5890), or
 * null: no lists, groups, names, comments, quoted or international local parts, and no domain without a dot. What it
 * answers may stand in an SMTP envelope as it is (RFC 5321).
 */
export function parseEmailAddress(text: string): string | null {
  if (text.length > 254) return null
  const at = text.indexOf('@')
  const local = text.slice(0, at)
  const domain = text.slice(at + 1)
  if (at < 1 || local.length > 64 || !LOCAL_PART.test(local)) return null
  if (!UNICODE_DOMAIN.test(domain)) return null
  const ascii = domainToASCII(domain).toLowerCase()
  const address = `${local}@${ascii}`
  return DOMAIN.test(ascii) && ascii.length <= 253 && address.length <= 254 ? address : null
}

export interface Mailbox {
  /** As a person reads it; empty where none was given. It may hold anything but `<`, `>` and `"`, line breaks too. */
  readonly name: string
  readonly address: string
}

/** A name and an address. */
const LONGEST_MAILBOX = 512

/** Reads `ada@example.com` or `Ada <ada@example.com>`, of at most 512 characters; null for anything else, lists among it. */
export function parseMailbox(text: string): Mailbox | null {
  const mailbox = text.trim()
  if (mailbox.length > LONGEST_MAILBOX) return null
  // Only one part may take the white space before the <, or each way to share it is tried.
  const named = /^(?:"([^"<>]*)"\s*|([^"<>,;:]*))<([^<>\s]+)>$/.exec(mailbox)
  const address = parseEmailAddress(named ? named[3]! : mailbox)
  return address === null ? null : { name: named?.[1] ?? named?.[2]?.trimEnd() ?? '', address }
}

// ── Email headers and attachments ────────────────────────────────────────────

const MAIL_HEADER_NAME = /^[a-z][a-z0-9-]{0,75}$/i
/** With the longest name it still fits on one line (RFC 5322, 2.1.1: 998 characters). */
const MAIL_HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,898}[\x21-\x7e])?$/
const MAIL_HEADERS =
  /^(?:x-.+|in-reply-to|references|list-id|list-help|list-archive|auto-submitted|precedence|importance|priority|sensitivity|feedback-id|comments|keywords|organization|thread-topic|thread-index)$/i
/** What email providers take for orders (their documentation of SMTP headers), what filters vouch with, and ours. */
const ACTED_UPON =
  /^x-(?:carillon|ses|amz|amazon|aws|smtpapi|sg|sendgrid|pm|postmark|resend|mailgun|mailjet|mj|mc|msys|mandrill|sib|mailin|ms-exchange|forefront|microsoft|google|gm|spam|virus|original|forwarded|envelope|sender|auth|authentication|authenticated|received|to|cc|bcc|from)(?:-|$)/i

/**
 * Null when a send may add this header to an email; otherwise the sentence that says why not. An allow-list: whom a mail
 * goes to and comes from, what it consists of and who vouches for it are never a header's business.
 */
export function checkMailHeader(header: { readonly name: string; readonly value: string }): string | null {
  if (!MAIL_HEADER_NAME.test(header.name)) return 'The header name must be letters, digits and hyphens, at most 76.'
  if (!MAIL_HEADERS.test(header.name) || ACTED_UPON.test(header.name)) return `The header '${header.name}' may not be set.`
  if (!MAIL_HEADER_VALUE.test(header.value)) return 'The header value must be printable ASCII on one line, 1 to 900 characters.'
  return null
}

/** The file types that Gmail takes in no mail ("File types blocked in Gmail"): a system would run them. */
const EXECUTABLE =
  /\.(?:ade|adp|apk|appx|appxbundle|bat|cab|chm|cmd|com|cpl|diagcab|dll|dmg|ex|ex_|exe|hta|img|ins|iso|isp|jar|jnlp|js|jse|lib|lnk|mde|mjs|msc|msi|msix|msixbundle|msp|mst|nsh|pif|ps1|reg|scr|sct|sh|shb|sys|vb|vbe|vbs|vhd|vxd|wsc|wsf|wsh|xll)$/i

/** Null when an attachment may be called so; otherwise the sentence that says why not. */
export function checkAttachmentName(filename: string): string | null {
  if (filename.length === 0 || filename.length > 255) return 'A file name has 1 to 255 characters.'
  // Marks that hide, or that turn the direction, let one file type be read as another.
  if (/[\p{Cc}\p{Cs}\p{Bidi_Control}\u200b\u2028\u2029\u2060\ufeff]/u.test(filename))
    return 'A file name holds no control characters.'
  // Many readers decode it (RFC 2047), and read another file type.
  if (filename.includes('=?')) return 'A file name holds no encoded words (=?).'
  if (/[/\\:]/.test(filename)) return 'A file name is no path: it holds no slash, backslash or colon.'
  if (/^[.\s]|[.\s]$/.test(filename)) return 'A file name neither starts nor ends with a dot or space.'
  if (EXECUTABLE.test(filename)) return 'Files of this kind may not be attached: mail programs refuse them.'
  return null
}

// ── Push subscriptions ───────────────────────────────────────────────────────

const BASE64URL = /^[A-Za-z0-9_-]+={0,2}$/

/**
 * Null when the keys of a browser's subscription can encrypt to it: a point on P-256 and an authentication secret of 16
 * bytes, both base64url (RFC 8291). Otherwise the sentence that says what is wrong.
 */
export function checkPushKeys(keys: { readonly p256dh: string; readonly auth: string }): string | null {
  if (!BASE64URL.test(keys.p256dh) || !isPointOnP256(Buffer.from(keys.p256dh, 'base64url'))) {
    return 'p256dh must be an uncompressed point on P-256, 65 bytes as base64url.'
  }
  if (!BASE64URL.test(keys.auth) || Buffer.from(keys.auth, 'base64url').length !== 16) {
    return 'auth must be 16 bytes as base64url.'
  }
  return null
}

function isPointOnP256(bytes: Buffer): boolean {
  if (bytes.length !== 65 || bytes[0] !== 4) return false
  try {
    ECDH.convertKey(bytes, 'prime256v1')
    return true
  } catch {
    return false
  }
}

// ── Webhook headers ──────────────────────────────────────────────────────────

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i
const HEADER_VALUE = /^[\t\x20-\x7e]{0,4096}$/
/** Ours, the connection's (RFC 9110, 7.6.1), and those that would let a caller pretend to be a proxy. */
const RESERVED_HEADERS =
  /^(?:host|content-.*|transfer-encoding|connection|keep-alive|proxy-.*|te|trailer|upgrade|expect|forwarded|x-forwarded-.*|webhook-.*|user-agent|accept-encoding)$/i

/** Null when a caller may add this header to a webhook's request; otherwise the sentence that says why not. */
export function checkWebhookHeader(header: { readonly name: string; readonly value: string }): string | null {
  if (!HEADER_NAME.test(header.name)) return 'The header name is not a token of HTTP.'
  if (RESERVED_HEADERS.test(header.name)) return `The header '${header.name}' may not be set.`
  if (!HEADER_VALUE.test(header.value)) return 'The header value must be printable ASCII of at most 4,096 characters.'
  return null
}
