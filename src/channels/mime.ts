import { encodeWord, foldLines } from 'nodemailer/lib/mime-funcs'
import { encode as encodeQuotedPrintable, wrap } from 'nodemailer/lib/qp'

export interface Mailbox {
  readonly name: string
  readonly address: string
}

export interface Mail {
  readonly from: Mailbox
  readonly to: Mailbox
  readonly subject: string
  readonly text: string | undefined
  readonly html: string | undefined
  /** Without angle brackets. */
  readonly messageId: string
  readonly date: Date
  /** `[A-Za-z0-9_-]{1,64}`: told apart from what the parts hold by its prefix. */
  readonly boundary: string
}

const CRLF = '\r\n'
const MAX_LINE = 990

/**
 * Writes a mail of one recipient with a text part, an HTML part or both (RFC 5322, RFC 2046), in one piece. Nodemailer's
 * composer makes a dozen streams and abort signals of each mail, which cost more than its delivery. Both addresses must
 * be plain ones; every other field is made safe here.
 */
export function writeMail(mail: Mail): Buffer {
  const head = [
    `From: ${writeMailbox(mail.from)}`,
    `To: ${writeMailbox(mail.to)}`,
    `Subject: ${writeWords(plainLine(mail.subject))}`,
    `Message-ID: <${mail.messageId}>`,
    `Date: ${mail.date.toUTCString().replace('GMT', '+0000')}`,
    'MIME-Version: 1.0',
  ].map((line) => foldLines(line, 76))
  return Buffer.from(`${head.join(CRLF)}${CRLF}${writeContent(mail)}`)
}

function writeContent({ text, html, boundary }: Mail): string {
  if (html === undefined) return writePart('text/plain', text ?? '')
  if (text === undefined) return writePart('text/html', html)
  const delimiter = `--=_${boundary}`
  return [
    `Content-Type: multipart/alternative; boundary="=_${boundary}"`,
    '',
    delimiter,
    writePart('text/plain', text),
    delimiter,
    writePart('text/html', html),
    `${delimiter}--`,
    '',
  ].join(CRLF)
}

/** As it is where every server must take it so (RFC 5321, 4.5.3.1.6), otherwise quoted-printable. */
function writePart(type: string, content: string): string {
  const lines = content.replace(/\r\n?|\n/g, CRLF)
  const isPlain = /^[\t\r\n\x20-\x7e]*$/.test(lines) && !hasLongLine(lines)
  const encoding = isPlain ? '7bit' : 'quoted-printable'
  const body = isPlain ? lines : wrap(encodeQuotedPrintable(lines))
  return [`Content-Type: ${type}; charset=utf-8`, `Content-Transfer-Encoding: ${encoding}`, '', body].join(CRLF)
}

function hasLongLine(lines: string): boolean {
  return lines.split(CRLF).some((line) => line.length > MAX_LINE)
}

function writeMailbox({ name, address }: Mailbox): string {
  const plain = plainLine(name)
  if (plain === '') return address
  const isAtoms = /^[A-Za-z0-9 !#$%&'*+/^_`{|}~-]{1,60}$/.test(plain)
  return `${isAtoms ? plain : encodeWord(plain, 'B', 52)} <${address}>`
}

/** Words that are not ASCII, too long for a line, or that would be decoded although they were meant as they stand (RFC 2047). */
function writeWords(line: string): string {
  return /[^\x20-\x7e]|=\?|\S{60}/.test(line) ? encodeWord(line, 'B', 52) : line
}

/** No control characters, line separators, or marks that hide or turn the direction of what stands beside them. */
export function plainLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '')
    .trim()
}
