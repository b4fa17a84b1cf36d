import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkAttachmentName,
  checkMailHeader,
  checkPushKeys,
  checkWebhookHeader,
  createAddressGuard,
  parseEmailAddress,
  parseMailbox,
} from '../../src/channels/address.ts'

const strict = createAddressGuard({ allowedNetworks: [], own: ['carillon.example.com:443', 'bells.example.com:8443'] })
const lenient = createAddressGuard({ allowedNetworks: ['127.0.0.0/8', '10.1.0.0/16', 'fd00:1::/32'] })

describe('without allowed networks, a URL is refused that', () => {
  const refused: Record<string, readonly string[]> = {
    'leads to loopback in any spelling': [
      'https://127.0.0.1/',
      'https://127.1/',
      'https://0/',
      'https://2130706433/',
      'https://0x7f000001/',
      'https://0177.0.0.1/',
      'https://①②⑦.⓪.⓪.①/',
      'https://127.0.0.1./',
    ],
    'leads to an IPv6 address that is not public, or that carries an IPv4 one': [
      'https://[::1]/',
      'https://[::]/',
      'https://[::ffff:7f00:1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::127.0.0.1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://[64:ff9b:1::1]/',
      'https://[2002:7f00:1::]/',
      'https://[2001:0:1::1]/',
      'https://[2001:db8::1]/',
      'https://[3fff::1]/',
      'https://[5f00::1]/',
      'https://[fd00::1]/',
      'https://[fe80::1]/',
      'https://[fec0::1]/',
      'https://[ff02::1]/',
      'https://[100::1]/',
    ],
    'leads to a private or special IPv4 address': [
      'https://10.0.0.1/',
      'https://172.16.0.1/',
      'https://192.168.1.1/',
      'https://100.64.0.1/',
      'https://169.254.169.254/latest/meta-data/',
      'https://192.0.2.1/',
      'https://198.18.0.1/',
      'https://203.0.113.9/',
      'https://224.0.0.1/',
      'https://240.0.0.1/',
      'https://255.255.255.255/',
    ],
    'names a metadata service': ['https://metadata.google.internal/', 'https://metadata.google.internal./', 'https://metadata/'],
    'names this machine or one of its network': [
      'https://localhost/',
      'https://localhost./',
      'https://a.LOCALHOST/',
      'https://redis/',
    ],
    'is not a web address': [
      'file:///etc/passwd',
      'gopher://127.0.0.1:6379/_FLUSHALL',
      'ftp://x.example/',
      'unix:///var/run/x.sock',
      'javascript:1',
      'data:,x',
      'https://',
      'example.com',
      '',
    ],
    'is not https on port 443': [
      'http://example.com/',
      'http://example.com:443/',
      'https://example.com:22/',
      'https://example.com:25/',
      'https://example.com:80/',
      'https://example.com:5432/',
      'https://example.com:6379/',
      'http://127.0.0.1:6379/%0d%0aFLUSHALL',
    ],
    'holds a user name or password': ['https://user:pass@example.com/', 'https://127.0.0.1@8.8.8.8/'],
    'is our own': [
      'https://carillon.example.com/graphql',
      'https://CARILLON.example.com.:443/',
      'https://bells.example.com:8443/',
    ],
    'is longer than 2,048 characters': [`https://example.com/${'a'.repeat(3_000)}`],
  }
  for (const [why, urls] of Object.entries(refused)) {
    test.each(urls)(`${why}: %s`, (url) => {
      expect(strict.refuseUrl(url)).toEqual(expect.any(String))
    })
  }
})

describe('a URL may be called that', () => {
  test.each([
    'https://example.com/hook?a=1#b',
    'https://example.com:443/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    // WHATWG URLs: a backslash is a slash, a tab is nothing, %61 is a.
    'https://8.8.8.8\\@127.0.0.1/',
    'https://exa\tmple.com/',
    'https://ex%61mple.com/',
    'https://exämple.com/',
  ])('is public: %s', (url) => {
    expect(strict.refuseUrl(url)).toBeNull()
  })

  test.each([
    'http://127.0.0.1:4010/',
    'https://127.0.0.1:4010/',
    'http://10.1.2.3/',
    'http://[fd00:1::5]:8080/',
    'http://localhost:4010/',
    // A name is judged by what it resolves to, when it is called.
    'http://redis:8080/',
  ])('leads to an allowed network, over http and on any port too: %s', (url) => {
    expect(lenient.refuseUrl(url)).toBeNull()
  })

  test.each(['http://10.2.0.1/', 'https://192.168.0.1/', 'http://8.8.8.8/', 'https://8.8.8.8:8443/', 'https://169.254.169.254/'])(
    'unless it is neither: %s',
    (url) => {
      expect(lenient.refuseUrl(url)).toEqual(expect.any(String))
    },
  )
})

test('an address over http, or on another port, may be connected to only in an allowed network', () => {
  expect(lenient.refuseAddress('8.8.8.8')).toBeNull()
  expect(lenient.refuseAddress('8.8.8.8', true)).not.toBeNull()
  expect(lenient.refuseAddress('10.1.0.9', true)).toBeNull()
  expect(lenient.refuseAddress('::ffff:10.1.0.9', true)).toBeNull()
  expect(lenient.refuseAddress('10.2.0.9')).not.toBeNull()
  expect(lenient.refuseAddress('no address')).not.toBeNull()
})

test('no spelling of a private IPv4 address is accepted', () => {
  const privateIp = fc.tuple(fc.constantFrom(10, 127, 0), fc.nat(255), fc.nat(255), fc.nat(255))
  fc.assert(
    fc.property(privateIp, fc.boolean(), ([a, b, c, d], dotted) => {
      const number = ((a << 24) >>> 0) + (b << 16) + (c << 8) + d
      const spellings = [
        `${a}.${b}.${c}.${d}`,
        String(number),
        `0x${number.toString(16)}`,
        `0${a.toString(8)}.${b}.${c * 256 + d}`,
      ]
      const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
      const inside = [`[::ffff:${hex}]`, `[64:ff9b::${hex}]`, `[2002:${hex}::]`, `[::${hex}]`]
      for (const host of [...spellings, ...inside]) {
        expect(strict.refuseUrl(`https://${host}${dotted && !host.startsWith('[') ? '.' : ''}/`)).not.toBeNull()
      }
    }),
  )
})

test('an error says nothing of the address but that it may not be reached', () => {
  const sentences = ['https://10.0.0.1/', 'https://127.0.0.1/', 'https://localhost/', 'https://[::1]/'].map(strict.refuseUrl)
  expect(new Set(sentences).size).toBe(1)
})

test('a network that is none stops the start', () => {
  expect(() => createAddressGuard({ allowedNetworks: ['10.0.0.0/33'] })).toThrow('10.0.0.0/33')
})

describe('an email address', () => {
  test.each([
    ['ada@example.com', 'ada@example.com'],
    ["O'Neil+tag@Example.COM", "O'Neil+tag@example.com"],
    ['user@exämple.test', 'user@xn--exmple-cua.test'],
    // The first letter is Cyrillic.
    ['user@аpple.test', 'user@xn--pple-43d.test'],
    ['a@sub.domain.example', 'a@sub.domain.example'],
  ])('is read with its domain in lower-case ASCII: %s', (text, address) => {
    expect(parseEmailAddress(text)).toBe(address)
  })

  test.each([
    'b@y.test, evil@e.test',
    'G: b@y.test, evil@e.test;',
    'b@y.test\r\nBcc: evil@e.test',
    'b@y.test%0d%0aBcc:evil@e.test',
    '"evil@e.test x"@internal.test',
    'user@good.test(x)evil.test',
    'user@good.test;evil@e.test',
    'Ada <ada@example.com>',
    'nobody',
    '',
    '@',
    'a@b',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b.'.repeat(130)}test`,
    'b\0@y.test',
    'b@y.te\0st',
    'üser@y.test',
    'a..b@y.test',
    '.a@y.test',
    'a@127.0.0.1',
    'a@[127.0.0.1]',
    'a@y.test.',
    'a@-y.test',
    ' a@y.test',
    'a@y .test',
    'a@ex%61mple.test',
    `${'('.repeat(1_000)}a@y.test`,
  ])('is refused when it is not exactly one plain address: %j', (text) => {
    expect(parseEmailAddress(text)).toBeNull()
  })

  test('is never read as more than one, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (local, domain) => {
        const address = parseEmailAddress(`${local}@${domain}.test`)
        if (address !== null) expect(address).toMatch(/^[^\s@,;<>()"\\]+@[a-z0-9.-]+$/)
      }),
    )
  })
})

describe('a mailbox', () => {
  test('is read with its name', () => {
    expect(parseMailbox('"The Shop, Ltd." <Shop@Example.com>')).toEqual({ name: 'The Shop, Ltd.', address: 'Shop@example.com' })
    expect(parseMailbox('shop@example.com')).toEqual({ name: '', address: 'shop@example.com' })
  })

  test('is read without the white space around it and its name', () => {
    expect(parseMailbox(' \tAda  L. \u00a0 <ada@example.com>\n')).toEqual({ name: 'Ada  L.', address: 'ada@example.com' })
    expect(parseMailbox('"Ada" \t<ada@example.com> ')).toEqual({ name: 'Ada', address: 'ada@example.com' })
    expect(parseMailbox('<ada@example.com>')).toEqual({ name: '', address: 'ada@example.com' })
  })

  test('is told in no time, however long it is and whatever white space it holds', () => {
    const before = process.threadCpuUsage()
    for (const space of [' '.repeat(20_000), '\u00a0'.repeat(20_000), '\t\n'.repeat(10_000)]) {
      for (const text of [space, `${space}x`, `x${space}x`, `x${space}<`, `${space}"x"${space}<a@x.test`]) {
        expect(parseMailbox(text)).toBeNull()
      }
    }
    expect(parseMailbox(`${'x'.repeat(500)} <ada@example.com>`)).toBeNull()
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(500)
  })

  test.each(['"A" <a@x.test>, <z@z.test>', 'a@x.test, b@x.test', 'shop', 'A <shop>', '<a@x.test> b', ''])(
    'is one address and no more: %j',
    (text) => {
      expect(parseMailbox(text)).toBeNull()
    },
  )
})

describe('a header for an email', () => {
  test.each([
    ['X-Campaign', 'spring'],
    ['X-Topic', 'orders'],
    ['X-Session-Id', '7'],
    ['In-Reply-To', '<a@b.test>'],
    ['References', '<a@b.test> <c@b.test>'],
    ['List-Id', 'News <news.example.com>'],
    ['Auto-Submitted', 'auto-generated'],
    ['Precedence', 'bulk'],
    ['X-Priority', '1'],
    ['Feedback-ID', 'a:b:c:d'],
    ['X-A', 'v'.repeat(900)],
  ])('may be added: %s', (name, value) => {
    expect(checkMailHeader({ name, value })).toBeNull()
  })

  test.each([
    ['Bcc', 'e@e.test'],
    ['To', 'e@e.test'],
    ['From', 'e@e.test'],
    ['Reply-To', 'e@e.test'],
    ['Sender', 'e@e.test'],
    ['Subject', 's'],
    ['Return-Path', '<e@e.test>'],
    ['Message-ID', '<a@b.test>'],
    ['Content-Type', 'text/html'],
    ['MIME-Version', '1.0'],
    ['DKIM-Signature', 'v=1'],
    ['ARC-Seal', 'i=1'],
    ['Authentication-Results', 'pass'],
    ['Received', 'by me'],
    ['List-Unsubscribe', '<https://e.test>'],
    ['List-Unsubscribe-Post', 'List-Unsubscribe=One-Click'],
    ['X-SES-CONFIGURATION-SET', 'other'],
    ['X-SMTPAPI', '{}'],
    ['X-Mailgun-Variables', '{}'],
    ['X-PM-Message-Stream', 'other'],
    ['X-', 'v'],
    ['X-A\r\nBcc: e@e.test', 'v'],
    ['X-A:', 'v'],
    ['', 'v'],
    [`X-${'a'.repeat(80)}`, 'v'],
    ['X-A', 'v\r\nBcc: e@e.test'],
    ['X-A', 'v\nBcc: e@e.test'],
    ['X-A', 'ü'],
    ['X-A', ''],
    ['X-A', ' v'],
    ['X-A', 'v'.repeat(901)],
  ])('is refused when it is not on the list, acted upon or no line: %j %j', (name, value) => {
    expect(checkMailHeader({ name, value })).toEqual(expect.any(String))
  })
})

describe('the name of an attachment', () => {
  test.each(['invoice.pdf', 'Rechnung März (2).pdf', 'a.tar.gz', 'README', '図.png', 'x'.repeat(255)])('is good: %s', (name) => {
    expect(checkAttachmentName(name)).toBeNull()
  })

  test.each([
    'a\r\nContent-Type: text/html',
    '../../x',
    '/etc/passwd',
    'a\\b.pdf',
    'x.txt::$DATA',
    'a\0.pdf',
    'x'.repeat(300),
    'x.exe',
    'x.EXE',
    'x.exe.',
    'x.exe ',
    'invoice.pdf.js',
    'harmless\u202efdp.scr',
    'a\u202ecod.b',
    '..',
    '',
  ])('is refused: %j', (name) => {
    expect(checkAttachmentName(name)).toEqual(expect.any(String))
  })
})

describe('the keys of a push subscription', () => {
  const p256dh = 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4'
  const auth = 'BTBZMqHH6r4Tts7J_aSIgg'

  test('are good when they are a point on P-256 and 16 bytes', () => {
    expect(checkPushKeys({ p256dh, auth })).toBeNull()
  })

  const offCurve = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 7)]).toString('base64url')
  test.each([
    { p256dh: 'AAAA', auth },
    { p256dh: offCurve, auth },
    { p256dh: `${p256dh} `, auth },
    { p256dh: '', auth },
    { p256dh, auth: Buffer.alloc(15).toString('base64url') },
    { p256dh, auth: Buffer.alloc(17).toString('base64url') },
    { p256dh, auth: '' },
  ])('are refused when they cannot encrypt: %j', (keys) => {
    expect(checkPushKeys(keys)).toEqual(expect.any(String))
  })
})

describe('a header for a webhook', () => {
  test.each([
    ['Authorization', 'Bearer x'],
    ['X-Shop', 'a'],
  ])('may be added: %s', (name, value) => {
    expect(checkWebhookHeader({ name, value })).toBeNull()
  })

  test.each([
    ['Host', 'a'],
    ['content-length', '1'],
    ['Content-Type', 'text/plain'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'close'],
    ['webhook-signature', 'v1,x'],
    ['X-Forwarded-For', '1.2.3.4'],
    ['a b', 'x'],
    ['x:y', 'x'],
    ['', 'x'],
    ['X-A', 'v\r\nHost: evil'],
    ['X-A', 'ü'],
  ])('is refused when it is ours, the connection’s or no header: %j %j', (name, value) => {
    expect(checkWebhookHeader({ name, value })).toEqual(expect.any(String))
  })
})
