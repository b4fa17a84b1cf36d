import PostalMime from 'postal-mime'
import type { Api } from './api.ts'

/** A mail as its reader's program has it. */
export interface CaughtMail {
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly text: string
  /** Where it can be looked at, the server's address before it. */
  readonly url: string
  /** What List-Unsubscribe says, and whether one POST to it is enough (RFC 8058); null where it says nothing. */
  readonly unsubscribe: { readonly url: string; readonly oneClick: boolean } | null
}

interface Listed extends Pick<CaughtMail, 'subject' | 'from' | 'to'> {
  readonly page: string
  readonly source: string
}

/** The newest mail to an address that the server caught; null where there is none, or where it catches no mail. */
export async function caughtMailTo(api: Api, address: string): Promise<CaughtMail | null> {
  const caught = await api.page('/mail.json')
  const { mails } = JSON.parse(caught ?? '{ "mails": [] }') as { mails: readonly Listed[] }
  const mail = mails.find(({ to }) => JSON.stringify(to).includes(address))
  const source = mail && (await api.page(mail.source))
  if (!mail || !source) return null
  const { text = '', headers } = await PostalMime.parse(source)
  const header = (key: string) => headers.find((one) => one.key === key)?.value
  const link = /^<(.*)>$/.exec(header('list-unsubscribe') ?? '')?.[1]
  const oneClick = header('list-unsubscribe-post') === 'List-Unsubscribe=One-Click'
  const { subject, from, to, page } = mail
  return { subject, from, to, text, url: `${api.url}${page}`, unsubscribe: link === undefined ? null : { url: link, oneClick } }
}
