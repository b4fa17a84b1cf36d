import { AddressRefused } from './lookup.ts'
import type { Outcome } from './provider.ts'
import { NotConnected } from './smtp-socket.ts'

/** A server that greylists takes a first try for a probe, and the second one for mail only after a while. */
const GREYLISTING_MS = 60_000
const CREDENTIAL_CODES = new Set([530, 534, 535, 538])

/** What Nodemailer's errors carry: the reply (RFC 5321), and the command it answered. */
interface SmtpError {
  readonly responseCode?: number
  readonly response?: string
  readonly command?: string
  readonly code?: string
}

/**
 * What a mail that was not accepted came to. `bodyRead`: all of the body had been handed to the connection, so that the
 * server may have taken it, whatever the error says; an error without a reply before that left nothing behind.
 * `password` is what the sentence must never hold.
 */
export function classifySmtpError(error: unknown, bodyRead: boolean, password?: string): Outcome {
  if (error instanceof AddressRefused) return { kind: 'misconfigured', error: error.message }
  if (error instanceof NotConnected) return { kind: 'retry', error: error.message }
  const { responseCode, response = '', command = '', code } = error as SmtpError
  if (!responseCode) return classifySilence(code, bodyRead)
  const reply = { status: responseCode, command, enhanced: readEnhanced(response) }
  return classifyReply(reply, sentence(response, command, password), /gr[ae]y/i.test(response))
}

function classifySilence(code: string | undefined, bodyRead: boolean): Outcome {
  if (bodyRead) return { kind: 'unknown', error: 'The mail was sent, but the mail server did not confirm it.' }
  if (code === 'EAUTH')
    return { kind: 'misconfigured', error: 'The mail server takes no login of the kind configured.', isLogin: true }
  if (code === 'ETLS') return { kind: 'retry', error: 'No secure connection to the mail server could be made.' }
  if (code === 'EMESSAGE') return { kind: 'rejected', what: 'content', error: 'The mail is larger than the mail server takes.' }
  return { kind: 'retry', error: 'The connection to the mail server was lost.' }
}

interface Reply {
  readonly status: number
  readonly command: string
  /** The enhanced status code (RFC 3463): `5.1.1`. */
  readonly enhanced: string
}

function classifyReply({ status, command, enhanced }: Reply, error: string, saysGrey: boolean): Outcome {
  const code = String(status)
  if (status < 500) {
    const isGreylisting = saysGrey || (command === 'RCPT TO' && (status === 450 || status === 451))
    const about = { ...(isOfMailbox({ status, command, enhanced }) && { about: 'address' as const }) }
    return { kind: 'retry', error, code, ...(isGreylisting && { afterMs: GREYLISTING_MS }), ...about }
  }
  if (CREDENTIAL_CODES.has(status) || command.startsWith('AUTH')) {
    // Kept with the account, where nobody's address has any business.
    return { kind: 'misconfigured', error: `The mail server answered ${code}.`, code, isLogin: true }
  }
  if (enhanced === '5.3.4' || (status === 552 && command !== 'RCPT TO')) return { kind: 'rejected', what: 'content', error, code }
  // Before the recipient was named, it is us or the sender that the server does not want.
  const what = command === 'RCPT TO' || command === 'DATA' ? 'address' : 'request'
  return { kind: 'rejected', what, error, code }
}

/** Said of one mailbox (RFC 5321, 4.2.3), and not of the server: its system and its network have codes of their own (RFC 3463, 3). */
function isOfMailbox({ status, command, enhanced }: Reply): boolean {
  return command === 'RCPT TO' && (status === 450 || status === 452) && !/^4\.[34]\./.test(enhanced)
}

function readEnhanced(response: string): string {
  return /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1] ?? ''
}

/** The server's words help whoever sent the mail; those about a login are for nobody. */
function sentence(response: string, command: string, password: string | undefined): string {
  const isAboutMail = /^(?:MAIL FROM|RCPT TO|DATA)$/.test(command)
  if (!isAboutMail) return `The mail server answered ${response.slice(0, 3)}.`
  const words = response.replace(/[\p{Cc}]+/gu, ' ').slice(0, 200)
  return `The mail server answered: ${password ? words.replaceAll(password, '…') : words}`
}
