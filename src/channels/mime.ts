import { randomBytes } from 'node:crypto'
import * as base64 from 'nodemailer/lib/base64'
import MailComposer from 'nodemailer/lib/mail-composer'
import { encodeWord } from 'nodemailer/lib/mime-funcs'
import type MimeNode from 'nodemailer/lib/mime-node'
import * as quotedPrintable from 'nodemailer/lib/qp'
import { type Mail, messageIdOf } from './mail.ts'
import type { Attachment, Header } from './provider.ts'

export interface MimeOptions {
  /** Left of the @ in the Message-ID. */
  readonly idempotencyKey: string
  readonly date: Date
}

/** A mail as it travels (RFC 5322, MIME). Further recipients of `bcc` stand nowhere in it. */
export function composeMime(mail: Mail, { idempotencyKey, date }: MimeOptions): MimeNode {
  return new MailComposer({
    from: mail.from,
    to: mail.to,
    ...(mail.cc.length > 0 && { cc: [...mail.cc] }),
    ...(mail.replyTo && { replyTo: mail.replyTo }),
    subject: literally(mail.subject),
    text: withLineEnds(mail.text),
    html: withLineEnds(mail.html),
    messageId: messageIdOf(mail, idempotencyKey),
    date,
    headers: mail.headers.map(headerOf),
    attachments: mail.attachments.map(attachmentOf),
    // Otherwise each part takes one of its own.
    baseBoundary: randomBytes(8).toString('hex'),
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
}

/** A mail knows no line end but CRLF (RFC 5322, 2.3); Nodemailer lets a CR alone through, which servers refuse or read as part of a line. */
function withLineEnds(text: string | undefined): string | undefined {
  return text?.replaceAll(/\r\n?|\n/g, '\r\n')
}

/** A subject that looks encoded (RFC 2047) although it is meant as it stands would be decoded; Nodemailer lets it through. */
function literally(line: string): string {
  return line.includes('=?') ? encodeWord(line, 'B', 52) : line
}

function headerOf({ name, value }: Header) {
  // A URL has no place to fold at, and would be encoded where it is long.
  return name === 'List-Unsubscribe' ? { key: name, value: { prepared: true, value } } : { key: name, value }
}

function attachmentOf({ filename, contentType, content, contentId }: Attachment) {
  return {
    filename,
    contentType,
    content: Buffer.from(content.buffer, content.byteOffset, content.byteLength),
    ...(contentId !== undefined && { cid: contentId }),
  }
}

/**
 * The mail's bytes: what its node would stream. Nodemailer writes each part through some six streams, which for a
 * mail of a few kilobytes cost three times what the mail does; so texts are written in one piece, and files by its streams.
 */
export async function writeMime(mail: MimeNode): Promise<Buffer> {
  const pieces = isOfTexts(mail) ? piecesOf(mail).join('') : null
  if (pieces === null) return await mail.build()
  return Buffer.from(pieces.replace(/(?:\r?\n|\r)?$/, (end) => (end === '\n' ? end : '\r\n')))
}

function isOfTexts({ content, childNodes }: MimeNode): boolean {
  return (content === undefined || typeof content === 'string') && childNodes.every(isOfTexts)
}

function piecesOf(node: MimeNode): readonly string[] {
  const head = `${node.buildHeaders()}\r\n\r\n`
  const children = node.childNodes.map((child, index) => [`${index > 0 ? '\r\n' : ''}--${node.boundary}\r\n`, ...piecesOf(child)])
  const end = children.length > 0 ? `\r\n--${node.boundary}--\r\n` : ''
  return [head, encodeContent(node), ...children.flat(), end]
}

function encodeContent(node: MimeNode): string {
  const content = (node.content as string | undefined) ?? ''
  switch (node.getTransferEncoding()) {
    case 'quoted-printable':
      return quotedPrintable.wrap(quotedPrintable.encode(content))
    case 'base64':
      return base64.wrap(base64.encode(content))
    default:
      return content
  }
}
