import { LRUCache } from 'lru-cache'
import { detectMimeType } from 'nodemailer/lib/mime-funcs/mime-types'
import type { Attachment, HttpDoor, HttpReply, Outcome } from '../channels/provider.ts'
import type { AttachmentSetting } from '../domain/channel-settings.ts'

const MAX_FETCHED_BYTES = 5 * 1024 * 1024
const MAX_TOTAL_BYTES = 10 * 1024 * 1024
/** The messages of a send to a list want the same files, one shortly after the other. */
const KEPT_BYTES = 20 * 1024 * 1024
const KEPT_MS = 60_000

/** Why there are no attachments: for the time being, or for good. */
export type Unattached = Extract<Outcome, { kind: 'retry' } | { kind: 'rejected' }>

/**
 * The files that settings name, in their order: decoded, or fetched by GET through the guarded door, where each has 15 s and
 * at most 5 MiB; 10 MiB together. What may not be reached is refused before it is connected to, in words that say nothing of
 * what is there. Never throws for what the outside did.
 */
export type LoadAttachments = (settings: readonly AttachmentSetting[]) => Promise<readonly Attachment[] | Unattached>

interface File {
  readonly content: Uint8Array
  /** Without parameters; null where none was told that a file can have. */
  readonly contentType: string | null
}

/** Files are kept for 60 s, 20 MiB of them; what is being fetched is not fetched twice. */
export function createAttachmentLoader(http: HttpDoor): LoadAttachments {
  const kept = new LRUCache<string, File>({
    maxSize: KEPT_BYTES,
    ttl: KEPT_MS,
    sizeCalculation: ({ content }) => content.byteLength + 1,
  })
  const underWay = new Map<string, Promise<File | Failure>>()

  async function fetchOnce(url: string): Promise<File | Failure> {
    const known = kept.get(url) ?? underWay.get(url)
    if (known) return known
    const fetching = fetchFile(http, url).finally(() => underWay.delete(url))
    underWay.set(url, fetching)
    const file = await fetching
    if ('content' in file) kept.set(url, file)
    return file
  }

  return async (settings) => {
    const files = await Promise.all(settings.map(({ content, url }) => (url === undefined ? decode(content) : fetchOnce(url))))
    const attachments: Attachment[] = []
    for (const [index, file] of files.entries()) {
      const setting = settings[index]!
      if ('why' in file) return unattached(setting, file)
      attachments.push(attach(setting, file))
    }
    const bytes = attachments.reduce((sum, { content }) => sum + content.byteLength, 0)
    if (bytes <= MAX_TOTAL_BYTES) return attachments
    return { kind: 'rejected', what: 'content', error: 'The attachments hold more than 10 MiB together.' }
  }
}

function attach({ filename, contentType, contentId }: AttachmentSetting, file: File): Attachment {
  return {
    filename,
    contentType: contentType ?? file.contentType ?? detectMimeType(filename),
    content: file.content,
    ...(contentId !== undefined && { contentId }),
  }
}

function decode(base64 = ''): File {
  return { content: Buffer.from(base64, 'base64'), contentType: null }
}

interface Failure {
  readonly why: string
  readonly isTemporary: boolean
}

function unattached({ filename }: AttachmentSetting, { why, isTemporary }: Failure): Unattached {
  const error = `The attachment '${filename}' could not be fetched. ${why}`
  return isTemporary ? { kind: 'retry', error } : { kind: 'rejected', what: 'content', error }
}

async function fetchFile(http: HttpDoor, url: string): Promise<File | Failure> {
  const reply = await http.request({
    method: 'GET',
    url,
    headers: { 'accept-encoding': 'identity' },
    whole: true,
    maxBytes: MAX_FETCHED_BYTES + 1,
  })
  return reply.kind === 'answered' ? readFile(reply) : { why: reply.error, isTemporary: reply.kind !== 'refused' }
}

function readFile({ status, headers, bytes = new Uint8Array() }: HttpReply & { kind: 'answered' }): File | Failure {
  if (status < 200 || status >= 300) {
    return { why: `Its server answered ${status}.`, isTemporary: status >= 500 || [408, 425, 429].includes(status) }
  }
  if (bytes.byteLength > MAX_FETCHED_BYTES) return { why: 'It is larger than 5 MiB.', isTemporary: false }
  if (!/^(?:identity)?$/i.test(headers['content-encoding'] ?? '')) {
    return { why: 'Its server answered with an encoded body.', isTemporary: false }
  }
  return { content: bytes, contentType: readMediaType(headers['content-type'] ?? '') }
}

/** RFC 6838, section 4.2. What is made of parts is no type of a file: a mail would be read by it as further mail. */
const MEDIA_TYPE = /^(?!multipart\/|message\/)[a-z0-9][a-z0-9!#$&^_.+-]{0,99}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}$/

function readMediaType(header: string): string | null {
  const [type = ''] = header.toLowerCase().split(';', 1)
  return MEDIA_TYPE.test(type.trim()) ? type.trim() : null
}
