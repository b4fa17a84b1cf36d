import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { settingsTable } from '../../src/config.ts'
import { testDatabase } from '../support/database.ts'
import { startRedis } from '../support/redis.ts'
import { run } from './command.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-cli-'))
})

afterEach(() => rm(folder, { recursive: true }))

test('help names the commands, and so does a command that does not exist', async () => {
  const help = await run([])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  for (const name of ['demo', 'bulk', 'doctor', 'types', 'settings', 'help']) expect(help.stdout).toContain(name)
  expect(await run(['--help'])).toEqual(help)
  const unknown = await run(['dance'])
  expect(unknown).toMatchObject({ code: 2, stdout: '' })
  expect(unknown.stderr).toContain("There is no command 'dance'.")
})

test('settings prints the table of every setting', async () => {
  expect(await run(['settings'])).toEqual({ code: 0, stdout: `${settingsTable()}\n`, stderr: '' })
})

describe('doctor', () => {
  const external = async (patch: Record<string, string> = {}) => {
    const database = await testDatabase()
    const env = {
      DATABASE_URL: database.url,
      CARILLON_SECRET: Buffer.alloc(32, 7).toString('base64'),
      CARILLON_DATA_DIR: folder,
      ...patch,
    }
    try {
      return await run(['doctor'], env)
    } finally {
      await database.drop()
    }
  }

  test('says every complaint about the configuration at once', async () => {
    const { code, stdout } = await run(['doctor'], { PORT: 'four', LOG_LEVEL: 'loud' })
    expect(code).toBe(1)
    expect(stdout).toContain('PORT: ')
    expect(stdout).toContain('LOG_LEVEL: ')
  })

  test('finds nothing wrong before a first start', async () => {
    const { code, stdout } = await run(['doctor'], { CARILLON_DATA_DIR: join(folder, 'none'), PORT: '1' })
    expect(stdout).toMatch(/✓ data dir +.*will be made at start/)
    expect(stdout).toMatch(/✓ server +does not run now/)
    expect(code).toBe(0)
  })

  test('names a database that cannot be reached', async () => {
    const { code, stdout } = await external({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' })
    expect(stdout).toMatch(/✗ database +.*ECONNREFUSED/)
    expect(code).toBe(1)
  })

  test('names a Redis that cannot be reached', async () => {
    const { code, stdout } = await external({ REDIS_URL: 'redis://127.0.0.1:1' })
    expect(stdout).toMatch(/✗ Redis +.*ECONNREFUSED/)
    expect(code).toBe(1)
  })

  test('names a data dir that others may read', async () => {
    await chmod(folder, 0o755)
    const { code, stdout } = await run(['doctor'], { CARILLON_DATA_DIR: folder })
    expect(stdout).toMatch(/✗ data dir +.*mode 755/)
    expect(code).toBe(1)
  })

  test('says which migrations a start would apply, and applies none', async () => {
    const database = await testDatabase({ empty: true })
    const env = { DATABASE_URL: database.url, CARILLON_SECRET: Buffer.alloc(32, 7).toString('base64') }
    try {
      for (const _time of ['first', 'second']) {
        expect((await run(['doctor'], env)).stdout).toMatch(/database +.*the next start applies \d{14}_first/)
      }
    } finally {
      await database.drop()
    }
  })
})

const redis = await startRedis()

test.skipIf(redis === null)('doctor hears a Redis answer', async () => {
  const { stdout } = await run(['doctor'], { REDIS_URL: redis!.url, CARILLON_DATA_DIR: folder })
  await redis!.stop()
  expect(stdout).toMatch(/✓ Redis +answers/)
})
