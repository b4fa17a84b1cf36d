import { Redis } from 'ioredis'
import { afterAll, expect, test } from 'vitest'
import { startRedis } from './redis.ts'

const redis = await startRedis()

afterAll(() => redis?.stop())

test.skipIf(redis === null)('A test’s Redis dies and comes back on its port, with nothing in it', async () => {
  const { url, kill, start } = redis!
  const before = new Redis(url)
  await before.set('a', '1')
  before.disconnect()
  await kill()
  await start()
  const after = new Redis(url)
  expect(await after.get('a')).toBeNull()
  after.disconnect()
})
