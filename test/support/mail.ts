import PostalMime from 'postal-mime'

export interface ReadMail {
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly messageId: string
  /** By lower-case name; of several, every one. */
  readonly headers: readonly { readonly key: string; readonly value: string }[]
}

/** A mail as its recipient's program reads it. */
export async function readMail(source: string): Promise<ReadMail> {
  const { subject = '', text = '', html = '', messageId = '', headers } = await PostalMime.parse(source)
  return { subject, text, html, messageId, headers }
}
