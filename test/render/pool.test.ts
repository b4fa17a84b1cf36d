import { afterEach, describe, expect, test } from 'vitest'
import { NO_TRACKING, type RenderJob } from '../../src/render/job.ts'
import { createRenderPool, type RenderPool } from '../../src/render/pool.ts'
import { RenderRefusal } from '../../src/render/template.ts'
import { isFull } from '../support/scale.ts'

const opened: RenderPool[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.close()))
})

/** Its documents are what the threads of misbehaving.thread.ts do; any other is rendered as it stands. */
function misbehaving() {
  const warned: string[] = []
  const threadFile = new URL('./misbehaving.thread.ts', import.meta.url)
  const pool = createRenderPool({ log: { warn: (_, message) => void warned.push(message) }, threadFile })
  opened.push(pool)
  return { pool, warned, text: async (document: string, key = 'acme') => (await pool.render(jobOf(document), key)).text }
}

function jobOf(document: string, data: object = {}): RenderJob {
  const carillon = { messageId: 'msg_1', event: null, environment: 'production', recipient: null, template: null, year: 2026 }
  const urls = { unsubscribe: null, preferences: null }
  return {
    document,
    brand: null,
    channel: 'SMS',
    provider: null,
    locale: null,
    onMissing: 'EMPTY',
    values: { data: data as Record<string, unknown>, profile: null, tenant: null, urls, carillon },
    tracking: NO_TRACKING,
    overridingHtml: null,
  }
}

describe('What is rendered in threads', () => {
  test('comes back each to its own caller, however many ask at once', async () => {
    const { text } = misbehaving()
    const names = Array.from({ length: 300 }, (_, index) => `text ${index}`)
    expect(await Promise.all(names.map((name, index) => text(name, `key ${index % 7}`)))).toEqual(names)
  })

  test('sees none of the variables of the environment', async () => {
    const { pool } = misbehaving()
    expect((await pool.render(jobOf('x'), 'acme')).payload).toMatchObject({ environment: [] })
  })

  test('renders a real document', async () => {
    const pool = createRenderPool({ log: { warn() {} } })
    opened.push(pool)
    const job = jobOf(JSON.stringify({ title: 'Hello {{name}}', body: 'It rings.' }), { name: 'Ada' })
    expect((await pool.render({ ...job, channel: 'EMAIL' }, 'acme')).subject).toBe('Hello Ada')
    const wrong = pool.render({ ...job, document: JSON.stringify({ body: '{{#' }) }, 'acme')
    await expect(wrong).rejects.toBeInstanceOf(RenderRefusal)
  })

  test('is refused with the sentence of its refusal, and fails with what went wrong on our side', async () => {
    const { text } = misbehaving()
    await expect(text('refuse')).rejects.toEqual(new RenderRefusal('Line 1: no.'))
    const fault = text('throw')
    await expect(fault).rejects.toThrow('It has no legs.')
    await expect(fault).rejects.not.toBeInstanceOf(RenderRefusal)
  })
})

describe('What breaks a limit fails alone', () => {
  test('when it takes too long', async () => {
    const { text, warned } = misbehaving()
    const [before, bomb, after] = await Promise.allSettled([text('one'), text('loop'), text('two')])
    expect([before, after]).toMatchObject([{ value: 'one' }, { value: 'two' }])
    expect(bomb).toMatchObject({
      reason: { name: 'RenderRefusal', message: expect.stringMatching(/^It takes too long to render/) },
    })
    expect(warned).toEqual(['a render thread was ended', 'a render thread was ended'])
  })

  test('when it needs too much memory', async () => {
    const { text } = misbehaving()
    const [before, bomb, after] = await Promise.allSettled([text('one'), text('fill'), text('two')])
    expect([before, after]).toMatchObject([{ value: 'one' }, { value: 'two' }])
    expect(bomb).toMatchObject({ reason: { name: 'RenderRefusal', message: expect.stringMatching(/^It needs too much memory/) } })
  })

  test('when it ends its thread otherwise, which is a fault of ours', async () => {
    const { text } = misbehaving()
    const [before, bomb, after] = await Promise.allSettled([text('one'), text('exit'), text('two')])
    expect([before, after]).toMatchObject([{ value: 'one' }, { value: 'two' }])
    expect(bomb).toMatchObject({ status: 'rejected', reason: { name: 'Error' } })
  })

  test('but not when it waits, since only the time of the thread itself counts', async () => {
    const { text } = misbehaving()
    expect(await text('sleep')).toBe('sleep')
  })
})

describe('Keys take turns', () => {
  /**
   * What a key that asks again and again waits for while others end threads: by how many were ended before each answer, first
   * to last. They are ended by the time they work, so a busy machine changes nothing.
   */
  async function endedBefore(bombers: readonly string[]): Promise<readonly number[]> {
    const { text, warned } = misbehaving()
    await Promise.all([...bombers, 'other'].map((key) => text('warm', key)))
    const isUnderWay = new Set<unknown>()
    for (const key of [...bombers, ...bombers]) {
      const bomb = text('loop', key).catch((error: Error) => error.message)
      isUnderWay.add(bomb)
      void bomb.then(() => isUnderWay.delete(bomb))
    }
    const ended: number[] = []
    while (isUnderWay.size > 0) {
      const before = warned.length
      expect(await text('one', 'other')).toBe('one')
      ended.push(warned.length - before)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return ended
  }

  test.each(isFull ? [2, 3] : [2])(
    'so that another waits for those under way at most, and for none once they are known: %i keys that end threads (G18)',
    { timeout: 120_000 },
    async (count) => {
      const [first, ...later] = await endedBefore(Array.from({ length: count }, (_, index) => `bomber ${index}`))
      expect(first).toBeLessThanOrEqual(2)
      expect(later.length).toBeGreaterThan(0)
      // One may just come to its end meanwhile.
      expect(Math.max(...later)).toBeLessThanOrEqual(1)
    },
  )

  test('so that those who came meanwhile go before one that had its turn', async () => {
    const { text } = misbehaving()
    await Promise.all(['one', 'two', 'three'].map((key) => text('warm', key)))
    const order: string[] = []
    const told = async (key: string, document = 'sleep') => void order.push(`${key}: ${await text(document, key)}`)
    const early = ['one', 'one', 'two', 'two'].map((key) => told(key))
    await new Promise((resolve) => setTimeout(resolve, 200))
    await Promise.all([...early, told('three', 'late')])
    expect(order.indexOf('three: late')).toBeLessThanOrEqual(2)
  })

  test('so that what another left in a thread costs nobody a message', async () => {
    const { text, warned } = misbehaving()
    await Promise.all([text('hoard', 'one'), text('hoard', 'two')])
    expect(await text('large', 'three')).toBe('large')
    expect(warned).toEqual(['a render thread was ended'])
  })

  test('so that heavy documents do not keep the others of their own key waiting', async () => {
    const { text } = misbehaving()
    await text('warm')
    let ground = 0
    const heavy = Array.from({ length: 16 }, async () => {
      await text('grind')
      ground += 1
    })
    await Promise.race(heavy)
    await text('light')
    expect(ground).toBeLessThan(8)
    await Promise.all(heavy)
  })

  test('so that a key with heavy documents is in one thread at a time as well', async () => {
    const { text } = misbehaving()
    await Promise.all([text('warm'), text('warm', 'other')])
    const ends: number[] = []
    const heavy = Array.from({ length: 24 }, async () => {
      await text('grind')
      ends.push(performance.now())
    })
    await Promise.race(heavy)
    await text('sleep')
    const whileAsleep = performance.now() - 1_000
    expect(ends.filter((end) => end > whileAsleep)).toEqual([])
    await Promise.all(heavy)
  })

  test('so that a key is in one thread at a time, and another in the other', async () => {
    const { text } = misbehaving()
    await Promise.all([text('warm', 'one'), text('warm', 'other')])
    const order: string[] = []
    const told = async (document: string, key: string) => void order.push(`${key}: ${await text(document, key)}`)
    await Promise.all([told('sleep', 'one'), told('x', 'one'), told('x', 'other')])
    expect(order).toEqual(['other: x', 'one: sleep', 'one: x'])
  })
})

describe('A pool that is closed', () => {
  test('rejects what is under way, what waits and what comes, and leaves nothing running', async () => {
    const { pool, text } = misbehaving()
    await text('warm')
    const under = [text('loop'), text('one')].map((one) => one.catch((error: Error) => error.message))
    await new Promise(setImmediate)
    await pool.close()
    expect(await Promise.all(under)).toEqual(['Rendering has stopped.', 'Rendering has stopped.'])
    await expect(text('late')).rejects.toThrow('Rendering has stopped.')
  })

  test('that rendered nothing is closed at once', async () => {
    const { pool } = misbehaving()
    await pool.close()
  })

  test('whose threads cannot begin rejects, and does not wait for ever', async () => {
    const pool = createRenderPool({ log: { warn() {} }, threadFile: new URL('./there-is-none.ts', import.meta.url) })
    opened.push(pool)
    await expect(pool.render(jobOf('x'), 'acme')).rejects.toThrow('there-is-none')
    await expect(pool.render(jobOf('x'), 'acme')).rejects.toThrow('there-is-none')
  })
})
