import { randomBytes } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { claimDataDir } from './data-dir.ts'

export interface GeneratedSecrets {
  readonly secretKeys: readonly Uint8Array[]
  readonly adminKey: string
  /** Made just now: the one time it is shown. */
  readonly adminKeyIsNew: boolean
}

/**
 * For the embedded mode: CARILLON_SECRET and CARILLON_ADMIN_KEY as configured, otherwise as kept in the data dir (files
 * `secret` and `admin-key`, mode 0600), otherwise made and kept there.
 */
export async function ensureGenerated(config: {
  readonly dataDir: string
  readonly secretKeys: readonly Uint8Array[] | null
  readonly adminKey: string | null
}): Promise<GeneratedSecrets> {
  await claimDataDir(config.dataDir)
  const secretKeys = config.secretKeys ?? (await keptSecretKeys(join(config.dataDir, 'secret')))
  if (config.adminKey !== null) return { secretKeys, adminKey: config.adminKey, adminKeyIsNew: false }
  const adminKey = await keep(join(config.dataDir, 'admin-key'), () => `ck_live_${randomBytes(32).toString('base64url')}`)
  return { secretKeys, adminKey: adminKey.text, adminKeyIsNew: adminKey.isNew }
}

async function keptSecretKeys(path: string): Promise<readonly Uint8Array[]> {
  const { text } = await keep(path, () => randomBytes(32).toString('base64'))
  const keys = text.split(',').map((key) => Buffer.from(key.trim(), 'base64'))
  if (keys.some((key) => key.length !== 32))
    throw new Error(`${path} does not hold 32 bytes in base64; restore it from a backup.`)
  return keys
}

/** The text of a file; if there is none, it is made whole or not at all, and the first of several makers wins. */
async function keep(path: string, make: () => string): Promise<{ text: string; isNew: boolean }> {
  const existing = await read(path)
  if (existing !== null) return { text: existing, isNew: false }
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  const text = make()
  try {
    await file.writeFile(`${text}\n`)
    await file.sync()
    await link(draft, path)
    return { text, isNew: true }
  } catch (error) {
    const winner = await read(path)
    if (winner === null) throw error
    return { text: winner, isNew: false }
  } finally {
    await file.close()
    await rm(draft, { force: true })
  }
}

async function read(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
