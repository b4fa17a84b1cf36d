import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor, type HttpDoorOptions } from '../../src/channels/http.ts'
import { createAttachmentLoader } from '../../src/delivery/attachment.ts'
import { type Answer, answering, type Receiver, startReceiver } from '../support/http.ts'

const MIB = 1024 * 1024
const closing: (() => Promise<void>)[] = []
let receiver: Receiver

beforeAll(async () => {
  receiver = await startReceiver()
})
beforeEach(() => {
  receiver.received.length = 0
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(() => receiver.close())

function loader(options: Partial<HttpDoorOptions> & { allow?: readonly string[] } = {}) {
  const { allow = ['127.0.0.0/8'], ...rest } = options
  const door = createHttpDoor({ guard: createAddressGuard({ allowedNetworks: allow }), ...rest })
  closing.push(() => door.close())
  return createAttachmentLoader(door)
}

const at = (path: string, filename = 'report.pdf') => ({ filename, url: `${receiver.url}/${path}` })
const filled = (bytes: number, headers: Record<string, string> = {}): Answer => {
  return (response) => void response.writeHead(200, headers).end(Buffer.alloc(bytes, 0xff))
}

describe('A file that goes with a message', () => {
  test('is decoded where the send holds it, and has the type of its name unless the send says one', async () => {
    const content = Buffer.from([0, 255, 128]).toString('base64')
    expect(
      await loader()([
        { filename: 'a.png', content, contentId: 'logo' },
        { filename: 'b.dat', content, contentType: 'application/x-b' },
        { filename: 'of-no-kind', content },
      ]),
    ).toEqual([
      { filename: 'a.png', contentType: 'image/png', content: Buffer.from([0, 255, 128]), contentId: 'logo' },
      { filename: 'b.dat', contentType: 'application/x-b', content: Buffer.from([0, 255, 128]) },
      { filename: 'of-no-kind', contentType: 'application/octet-stream', content: Buffer.from([0, 255, 128]) },
    ])
  })

  test('is fetched byte by byte as it is, in the order of the send, beside those that the send holds', async () => {
    receiver.answer = (response, { path }) => response.writeHead(200).end(Buffer.from([0xff, 0xfe, path.length]))
    const files = await loader()([at('long'), { filename: 'b.txt', content: 'aGk=' }, at('s')])
    expect(files).toMatchObject([
      { content: Buffer.from([255, 254, 5]) },
      { filename: 'b.txt' },
      { content: Buffer.from([255, 254, 2]) },
    ])
  })

  test.each([
    ['text/csv; charset=utf-8', 'text/csv'],
    ['Image/PNG', 'image/png'],
    ['multipart/mixed; boundary=x', 'application/pdf'],
    ['message/rfc822', 'application/pdf'],
    ['nonsense', 'application/pdf'],
    [undefined, 'application/pdf'],
  ])('that is answered as %s is attached as %s', async (answered, contentType) => {
    receiver.answer = answering(200, answered === undefined ? {} : { 'content-type': answered }, 'x')
    expect(await loader()([at('typed')])).toMatchObject([{ contentType }])
    expect(await loader()([{ ...at('typed'), contentType: 'text/plain' }])).toMatchObject([{ contentType: 'text/plain' }])
  })

  test('is fetched once for all messages that want it at once or within a minute', async () => {
    const load = loader()
    receiver.answer = answering(200, {}, 'x')
    await Promise.all(Array.from({ length: 20 }, () => load([at('shared'), at('shared')])))
    expect(await load([at('shared')])).toMatchObject([{ content: Buffer.from('x') }])
    expect(receiver.received).toHaveLength(1)
  })

  test('is fetched again after it could not be', async () => {
    const load = loader()
    receiver.answer = answering(503)
    expect(await load([at('later')])).toEqual({
      kind: 'retry',
      error: "The attachment 'report.pdf' could not be fetched. Its server answered 503.",
    })
    receiver.answer = answering(200, {}, 'x')
    expect(await load([at('later')])).toHaveLength(1)
  })

  test.each([
    [408, 'retry'],
    [429, 'retry'],
    [500, 'retry'],
    [302, 'rejected'],
    [401, 'rejected'],
    [404, 'rejected'],
  ])('that is answered %i is a message to %s', async (status, kind) => {
    receiver.answer = answering(status, { location: `${receiver.url}/elsewhere` }, 'x')
    expect(await loader()([at('status')])).toMatchObject({ kind })
    expect(receiver.received).toHaveLength(1)
  })

  test.each<[string, Answer]>([
    ['breaks off', (response) => void response.writeHead(200, { 'content-length': '9' }).write('x', () => response.destroy())],
    ['does not end in time', (response) => void response.writeHead(200).write('x')],
    ['never comes', () => {}],
  ])('whose answer %s is not sent in part: the message is tried again', async (_what, answer) => {
    receiver.answer = answer
    expect(await loader({ timeouts: { total: 300 } })([at('part')])).toMatchObject({ kind: 'retry' })
  })

  test('that is larger than 5 MiB, or encoded, fails the message for good', async () => {
    receiver.answer = filled(5 * MIB)
    expect(await loader()([at('large')])).toHaveLength(1)
    receiver.answer = filled(5 * MIB + 1)
    const error = "The attachment 'report.pdf' could not be fetched. It is larger than 5 MiB."
    expect(await loader()([at('larger')])).toEqual({ kind: 'rejected', what: 'content', error })
    receiver.answer = filled(10, { 'content-encoding': 'gzip' })
    expect(await loader()([at('gzip')])).toMatchObject({ kind: 'rejected', what: 'content' })
  })

  test('fails the message with others that hold more than 10 MiB together', async () => {
    const load = loader()
    receiver.answer = filled(5 * MIB)
    expect(await load([at('1'), at('2')])).toHaveLength(2)
    const error = 'The attachments hold more than 10 MiB together.'
    expect(await load([at('1'), at('2'), { filename: 'a', content: 'aGk=' }])).toEqual({
      kind: 'rejected',
      what: 'content',
      error,
    })
  })

  test('is never fetched from a forbidden address, and nobody learns whether somebody answers there', async () => {
    const before = receiver.connections
    const open = receiver.port
    const closed = await startReceiver()
    await closed.close()
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }]
    const load = loader({ allow: ['10.0.0.0/8'], resolve })
    const urls = [open, closed.port].flatMap((port) => [`http://127.0.0.1:${port}/`, `http://files.example.com:${port}/`])
    const outcomes = await Promise.all(urls.map((url) => load([{ filename: 'secret.txt', url }])))
    const error = "The attachment 'secret.txt' could not be fetched. This address may not be reached."
    expect(outcomes).toEqual(urls.map(() => ({ kind: 'rejected', what: 'content', error })))
    expect(receiver.connections).toBe(before)
  })
})
