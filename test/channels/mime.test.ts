import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Mail } from '../../src/channels/mail.ts'
import { composeMime, writeMime } from '../../src/channels/mime.ts'

const from = { name: 'Ada', address: 'ada@example.com' }
const to = { name: 'Élise', address: 'elise@example.org' }
const options = { idempotencyKey: 'msg_1', date: new Date(0) }
const plain: Mail = { from, to, cc: [], bcc: [], subject: 'Hello', headers: [], attachments: [] }

// What the encodings of a mail treat on their own: line ends, blanks before them, long lines, dots, few and many foreign letters.
const piece = fc.oneof(
  fc.constantFrom('\n', '\r\n', '\r', '\n.', ' \n', '\t\r\n', '=', '=3D', '.', '--', '—', 'ä', '漢字', '🎉', ' '),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.integer({ min: 60, max: 1_200 }).map((length) => 'word '.repeat(length / 5)),
  fc.integer({ min: 60, max: 300 }).map((length) => 'x'.repeat(length)),
)
const body = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))

/** Where a long line is broken is the encoder's to choose, which breaks a stream's wherever a part of it ended. */
const unbroken = (mail: Buffer) => mail.toString('latin1').replaceAll('=\r\n', '')

test('A mail of any texts says what Nodemailer would stream, in lines that every server takes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.record({ text: body, html: body }, { requiredKeys: [] }), async (texts) => {
      const mail = composeMime({ ...plain, ...texts }, options)
      const written = await writeMime(mail)
      expect(unbroken(written)).toBe(unbroken(await mail.build()))
      // RFC 2045, 6.7; RFC 5322, 2.1.1.
      for (const line of written.toString('latin1').split(/\r?\n/)) {
        expect(line.length).toBeLessThanOrEqual(78)
        expect(line).not.toContain('\r')
      }
    }),
    // A mail whose only line end is one that mails do not know.
    { numRuns: 500, examples: [[{ html: `${'word '.repeat(13)}\r${'x'.repeat(60)}` }]] },
  )
})

test('A mail with a file holds all of it', async () => {
  const content = randomBytes(200_000)
  const attachments = [{ filename: 'a.bin', contentType: 'application/octet-stream', content }]
  const written = await writeMime(composeMime({ ...plain, text: 'See below.', attachments }, options))
  expect(written.toString().replaceAll('\r\n', '')).toContain(content.toString('base64'))
})
