import { createApns } from './apns.ts'
import { discord } from './discord.ts'
import { expo } from './expo.ts'
import { createFcm } from './fcm.ts'
import { inbox } from './inbox.ts'
import { mailgun } from './mailgun.ts'
import { messagebird } from './messagebird.ts'
import { createMsTeams } from './msteams.ts'
import { postmark } from './postmark.ts'
import type { Provider } from './provider.ts'
import { request } from './request.ts'
import { resend } from './resend.ts'
import { sendgrid } from './sendgrid.ts'
import { createSes } from './ses.ts'
import { slack } from './slack.ts'
import { createSmtp } from './smtp.ts'
import { telegram } from './telegram.ts'
import { twilio } from './twilio.ts'
import { vonage } from './vonage.ts'
import { webhook } from './webhook.ts'
import { webpush } from './webpush.ts'

/** Every provider this build knows, by channel. Some hold pooled connections, which their `close` lets go of. */
export function createProviders(): readonly Provider[] {
  const email = [createSmtp(), createSes(), sendgrid, postmark, resend, mailgun]
  const sms = [twilio, vonage, messagebird]
  const push = [webpush, createFcm(), createApns(), expo]
  const directMessage = [slack, createMsTeams(), discord, telegram]
  return [...email, ...sms, ...push, inbox, ...directMessage, webhook, request]
}
