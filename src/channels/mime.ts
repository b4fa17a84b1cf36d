import MailComposer from 'nodemailer/lib/mail-composer'
import { encodeWord } from 'nodemailer/lib/mime-funcs'
import type MimeNode from 'nodemailer/lib/mime-node'
import type { Mailbox } from './address.ts'
import { type Mail, messageIdOf } from './mail.ts'
import type { Attachment, Header } from './provider.ts'

export interface MimeOptions {
  /** Left of the @ in the Message-ID. */
  readonly idempotencyKey: string
  readonly date: Date
  /** Whom this copy is handed over for; `to` alone when absent. They need not stand in the mail. */
  readonly recipients?: readonly Mailbox[]
}

/** A mail as it travels (RFC 5322, MIME). Further recipients of `bcc` stand nowhere in it. */
export function composeMime(mail: Mail, { idempotencyKey, date, recipients = [mail.to] }: MimeOptions): MimeNode {
  return new MailComposer({
    from: mail.from,
    to: mail.to,
    ...(mail.cc.length > 0 && { cc: [...mail.cc] }),
    ...(mail.replyTo && { replyTo: mail.replyTo }),
    envelope: { from: mail.from.address, to: recipients.map(({ address }) => address) },
    subject: literally(mail.subject),
    text: mail.text,
    html: mail.html,
    messageId: messageIdOf(mail, idempotencyKey),
    date,
    headers: mail.headers.map(headerOf),
    attachments: mail.attachments.map(attachmentOf),
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
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
