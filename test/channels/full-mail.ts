import type { Attachment, Outgoing } from '../../src/channels/provider.ts'

/** A mail with everything that a send may say of one. */
export const PDF: Attachment = { filename: 'invoice.pdf', contentType: 'application/pdf', content: Buffer.from('%PDF-1.7') }
export const LOGO: Attachment = { filename: 'logo.png', contentType: 'image/png', content: Buffer.from('PNG'), contentId: 'logo' }

export const FULL: Partial<Outgoing> = {
  address: { id: 'ada@example.com', name: 'Ada, the "first"' },
  content: { subject: 'Grüße\r\nBcc: evil@e.test', text: 'It is here.', html: '<p>It is here.</p><img src="cid:logo">' },
  unsubscribeUrl: 'https://bells.example.com/unsubscribe/1',
  extras: {
    from: 'Orders <orders@shop.example>',
    replyTo: 'help@shop.example',
    cc: ['Bob <bob@example.com>', 'ADA@example.com'],
    bcc: ['eve@example.com', 'bob@example.com'],
    headers: [{ name: 'X-Campaign', value: 'spring' }],
    attachments: [PDF, LOGO],
  },
}
