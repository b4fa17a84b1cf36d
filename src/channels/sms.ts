import { z } from 'zod'
import { classifyHttp, classifySaid, type Said } from './answer.ts'
import type { HttpReply, Outcome, Outgoing } from './provider.ts'

/** What the providers of SMS have in common: numbers, senders, and what an answer says where nothing tells a repetition. */

/** With +, and digits as E.164 writes them. */
const NUMBER = /^\+[1-9]\d{4,14}$/
/** A number, a short code, or a name of at most 11 characters (GSM 03.40), of which one is a letter. */
const SENDER = /^(?:\+?\d{3,15}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11})$/

/** A setting: whom an SMS comes from. */
export function sender() {
  return z.string().regex(SENDER, 'must be a phone number, a short code, or a name of at most 11 letters and digits')
}

/** Why a message cannot be an SMS, before anybody is called; null when it can. */
export function refuseSms({ address, content, extras }: Outgoing): Outcome | null {
  if (!NUMBER.test(address.id)) {
    return { kind: 'rejected', what: 'address', error: 'The recipient is not a phone number with + and its country code.' }
  }
  if (textOf(content) === '') return { kind: 'rejected', what: 'content', error: 'An SMS needs a text.' }
  if (extras?.from !== undefined && !SENDER.test(extras.from)) {
    const error = 'An SMS comes from a phone number, a short code, or a name of at most 11 letters and digits.'
    return { kind: 'rejected', what: 'request', error }
  }
  return null
}

export function textOf({ text, title, subject }: Outgoing['content']): string {
  return (text ?? title ?? subject ?? '').trim()
}

/** A number as providers want it that take no +. */
export function digitsOf(number: string): string {
  return number.replace(/^\+/, '')
}

/** As Said; `sender`: whom the message was to come from is not one the account may name. */
export type SmsSaid = Omit<Said, 'meaning'> & { readonly meaning?: Said['meaning'] | 'sender' }

/**
 * What an answer that took no message came to. None of these providers tells a repetition, and an SMS costs money: an answer
 * of 500, 502 or 504 that does not hold the provider's own error came from something in front of it, or out of its midst, and
 * says nothing about the message. 408, 425, 429 and 503 say that it was not taken.
 */
export function classifySms(provider: string, reply: HttpReply, said: SmsSaid | null, { extras }: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  if (said === null) {
    const isUnsettled = reply.status >= 500 && reply.status !== 503
    return isUnsettled ? { kind: 'unknown', error: `${provider} answered ${reply.status}.` } : classifyHttp(reply, now)
  }
  const { code, words } = said
  const meaning = said.meaning === 'sender' ? (extras?.from === undefined ? 'misconfigured' : 'request') : said.meaning
  return classifySaid(provider, reply, { code, words, ...(meaning && { meaning }) }, now)
}
