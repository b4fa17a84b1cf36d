import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ensureGenerated } from '../../src/store/generated-secrets.ts'

let root: string
let dataDir: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'carillon-secrets-'))
  dataDir = join(root, 'data')
})

afterEach(() => rm(root, { recursive: true }))

describe('Generated secrets', () => {
  test('are made once, kept for their owner alone, and the same at the next start', async () => {
    const first = await ensureGenerated({ dataDir, secretKeys: null, adminKey: null })
    expect(first.adminKeyIsNew).toBe(true)
    expect(first.adminKey).toMatch(/^ck_live_[A-Za-z0-9_-]{32,}$/)
    expect(first.secretKeys.map((key) => key.length)).toEqual([32])
    for (const [path, mode] of [
      [dataDir, 0o700],
      [join(dataDir, 'secret'), 0o600],
      [join(dataDir, 'admin-key'), 0o600],
    ] as const) {
      expect((await stat(path)).mode & 0o777).toBe(mode)
    }
    expect(await ensureGenerated({ dataDir, secretKeys: null, adminKey: null })).toEqual({ ...first, adminKeyIsNew: false })
  })

  test('are the same for all who start together, and new to one of them', async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, () => ensureGenerated({ dataDir, secretKeys: null, adminKey: null })),
    )
    expect(new Set(all.map(({ adminKey }) => adminKey)).size).toBe(1)
    expect(new Set(all.map(({ secretKeys }) => Buffer.from(secretKeys[0]!).toString('hex'))).size).toBe(1)
    expect(all.filter(({ adminKeyIsNew }) => adminKeyIsNew)).toHaveLength(1)
  })

  test('give way to what is configured', async () => {
    const configured = { secretKeys: [new Uint8Array(32)], adminKey: 'ck_live_configured' }
    expect(await ensureGenerated({ dataDir, ...configured })).toEqual({ ...configured, adminKeyIsNew: false })
    await expect(readFile(join(dataDir, 'secret'))).rejects.toThrow('ENOENT')
  })

  test('that were damaged stop the start instead of being replaced', async () => {
    await ensureGenerated({ dataDir, secretKeys: null, adminKey: null })
    await writeFile(join(dataDir, 'secret'), 'half')
    await expect(ensureGenerated({ dataDir, secretKeys: null, adminKey: null })).rejects.toThrow('does not hold 32 bytes')
  })
})
