import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import PostalMime, { type Address, type Email } from 'postal-mime'

export interface MailSummary {
  readonly id: number
  readonly subject: string
  readonly from: string
  readonly to: string
  /** When it was caught. */
  readonly at: Date
}

export interface CaughtMail extends MailSummary {
  readonly content: Email
}

export interface MailFolder {
  /** Keeps a mail and answers its number. Numbers rise, over restarts too. */
  add(source: Buffer): Promise<number>
  /** Newest first. `before`: only mails of a smaller number. */
  list(first: number, before?: number): Promise<readonly MailSummary[]>
  readonly count: number
  read(id: number): Promise<CaughtMail | null>
  source(id: number): Promise<Buffer | null>
  /** Waits for what is being written or thrown away. */
  settled(): Promise<void>
}

/** A tenth more than are kept may lie there, so that old mails go in batches and not one with every new one. */
const SLACK = 1.1

/**
 * Mails as files of a folder, `7.eml`, readable by their owner alone. They are read and parsed only when they are asked
 * for: catching one costs one write. A file that vanished meanwhile is as if it had never been.
 */
export async function openMailFolder(dir: string, maxKept: number): Promise<MailFolder> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await chmod(dir, 0o700)
  const ids = (await readdir(dir)).flatMap(readId).sort((a, b) => a - b)
  const running = new Set<Promise<void>>()
  let last = ids.at(-1) ?? 0

  const pathOf = (id: number) => join(dir, `${id}.eml`)

  function track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => running.delete(tracked))
    running.add(tracked)
    return tracked
  }

  async function add(source: Buffer): Promise<number> {
    last += 1
    const id = last
    await track(writeFile(pathOf(id), source, { mode: 0o600 }))
    insert(ids, id)
    if (ids.length > maxKept * SLACK) {
      const old = ids.splice(0, ids.length - maxKept)
      track(removeAll(old.map(pathOf))).catch(() => {})
    }
    return id
  }

  async function list(first: number, before = Number.POSITIVE_INFINITY): Promise<readonly MailSummary[]> {
    const end = ids.findLastIndex((id) => id < before) + 1
    const page = ids.slice(Math.max(0, end - first), end).reverse()
    const mails = await Promise.all(page.map(read))
    return mails.flatMap((mail) => (mail ? [summarise(mail)] : []))
  }

  async function read(id: number): Promise<CaughtMail | null> {
    const bytes = await source(id)
    if (!bytes) return null
    const { mtime } = await stat(pathOf(id))
    return describe(id, mtime, await PostalMime.parse(bytes))
  }

  const source = (id: number): Promise<Buffer | null> => readFile(pathOf(id)).catch(() => null)

  return {
    add,
    list,
    read,
    source,
    get count() {
      return ids.length
    },
    async settled() {
      await Promise.allSettled(running)
    },
  }
}

/** Writes may end in another order than they began: nearly always this is a push. */
function insert(ids: number[], id: number): void {
  ids.splice(ids.findLastIndex((other) => other < id) + 1, 0, id)
}

function readId(file: string): number[] {
  const digits = /^(\d{1,15})\.eml$/.exec(file)?.[1]
  return digits === undefined ? [] : [Number(digits)]
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true })
}

function describe(id: number, at: Date, content: Email): CaughtMail {
  return {
    id,
    at,
    subject: content.subject ?? '',
    from: writeAddresses(content.from ? [content.from] : []),
    to: writeAddresses(content.to ?? []),
    content,
  }
}

function summarise({ id, subject, from, to, at }: CaughtMail): MailSummary {
  return { id, subject, from, to, at }
}

function writeAddresses(addresses: readonly Address[]): string {
  return addresses.map(({ name, address }) => (name && address ? `${name} <${address}>` : (address ?? name))).join(', ')
}
