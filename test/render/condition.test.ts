import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkCondition, checkElementCondition, evaluateCondition, evaluateElementCondition } from '../../src/render/condition.ts'

const facts = {
  data: {
    n: 2,
    price: 1.5,
    ten: 10,
    text: 'x',
    nothing: null,
    yes: true,
    list: [1, 2, 3],
    mixed: [{ a: 1 }, 1, 'x', null],
    items: [
      { sku: 'a', count: 1 },
      { sku: 'b', count: 2 },
    ],
    constructor: { name: 'plain' },
    'a b': 1,
  },
  profile: { email: 'ada@example.com', plan: 'pro' },
  tenant: { id: 'acme', name: 'Acme', properties: { tier: 'gold' } },
}
const holds = (text: string) => evaluateCondition(text, facts).holds

describe('A condition', () => {
  test.each([
    'data.n == 2',
    'data.n + 1 == 3',
    'data.n % 2 == 0',
    'data.n - 1 == 1',
    'data.n * 3 == 6',
    '3 - data.n == 1',
    '1.5 * data.n == 3',
    'data.price + 1 == 2.5',
    'data.price * 2 == 3.0',
    '-data.n < 0',
    'data.n in [1, 2]',
    'data.n in data.list',
    'data.list[data.n] == 3',
    'data.list == [1, 2, 3]',
    'size(data.list) == data.n + 1',
    'data.list.map(x, x + 1) == [2, 3, 4]',
    'data.items.exists(i, i.sku == "b" && i.count > 1)',
    'data.items.filter(i, i.count > 1).size() == 1',
    'data.items.all(i, data.list.exists(x, x == i.count))',
    'data.nothing == null',
    'data.text != data.n',
    '"x" in data.mixed && 1 in data.mixed',
    'data["a b"] == 1',
    'profile.email.endsWith("@example.com")',
    'tenant.properties.tier == "gold" && tenant.id == "acme"',
    'has(data.plan) ? data.plan == "pro" : profile.plan == "pro"',
    'data.yes',
    'data.missing == 1 || data.yes',
    '"2026-01-01T00:00:00Z" < "2026-06-01T00:00:00Z"',
    'data.text + "y" == "xy"',
    'data.list + [4] == [1, 2, 3, 4]',
    'data.list[data.n - 1 + 1] == 3',
  ])('holds where it is true: %s', (text) => {
    expect(checkCondition(text)).toBeNull()
    expect(evaluateCondition(text, facts)).toEqual({ holds: true, because: `It holds: ${text}` })
  })

  test('divides as JSON does, where ten is as much a number as ten and a half', () => {
    expect(holds('data.ten / 4 == 2.5')).toBe(true)
  })

  test.each([
    ['data.n == 3', 'It does not hold: data.n == 3'],
    ['data.text == 1', 'It does not hold: data.text == 1'],
    ['data.plan == "pro"', 'data.plan is missing: has(data.plan) asks whether it is there.'],
    ['data.nothing.at.all == 1', 'data.nothing.at is missing: has(data.nothing.at) asks whether it is there.'],
    ['data["plan"] == "pro"', `data["plan"] is missing: 'key' in map asks whether it is there.`],
    ['data.items.exists(i, i.price > 1)', 'i.price is missing: has(i.price) asks whether it is there.'],
    ['data.list[7] == 1', 'data.list[7] is missing: the list is shorter.'],
    ['data.text', 'Its result is neither true nor false: data.text'],
    ['data.text + data.n == "x2"', 'What stands there does not go together: data.text + data.n'],
  ])('that does not hold says why: %s', (text, because) => {
    expect(checkCondition(text)).toBeNull()
    expect(evaluateCondition(text, facts)).toEqual({ holds: false, because })
  })

  test('about a tenant does not hold where there is none', () => {
    const without = { ...facts, tenant: null }
    expect(evaluateCondition('tenant.id == "acme"', without).holds).toBe(false)
    expect(evaluateCondition('!has(tenant.id)', without).holds).toBe(true)
  })

  test('never quotes what it was asked about', () => {
    const secret = { ...facts, data: { secret: 'hunter2' } }
    for (const text of ['bool(data.secret)', 'int(data.secret) == 1', 'data.secret && true']) {
      expect(evaluateCondition(text, secret).because).not.toContain('hunter2')
    }
  })

  test.each([
    ['', /at character/],
    ['1 +', /at character 3/],
    ['data.n ==', /at character/],
    ['user.plan == "pro"', /Unknown variable: user; there are data, profile and tenant \(at character 1\)\./],
    ['data.text.matches("(a+)+$")', /no regular expressions/],
    ['has(data.x) && data.l.exists(x, x.matches("a"))', /no regular expressions/],
    ['cel.bind(a, data.l + data.l, cel.bind(b, a + a, size(b) > 1))', /may not be called/],
    ['duration(data.text) < duration("1h")', /'duration' may not be called/],
    ['timestamp(data.text) < timestamp("2026-01-01T00:00:00Z")', /'timestamp' may not be called/],
    ['data.text.split("").join(data.text) == ""', /'join' may not be called/],
    ['data.text.split("") == []', /'split' may not be called/],
    ['data.text.lastIndexOf(data.text) > 1', /'lastIndexOf' may not be called/],
    ['data.text.contains(data.text)', /a text in quotes/],
    ['size(data.list + data.list) > 1', /'size' may not be called with a sum/],
    ['(data.text + data.text).contains("x")', /'contains' may not be called with a sum/],
    ['[data.text].map(a, a + a).map(a, a + a) == []', /'map' may not be called with a sum/],
    ['[1].exists(b, [data.list + data.list].exists(a, a == 1))', /'exists' may not be called with a sum/],
    ['data.l.exists(a, data.l.exists(b, data.l.exists(c, a == c)))', /2 levels/],
    ['[1].map(a, [2].map(b, [3].filter(c, true)))[0] == 1', /2 levels/],
    ['"pro"', /this one is a string/],
    ['1 + 2', /this one is a int/],
    [`data.n == 1${' '.repeat(1_000)}`, /1,000 characters/],
    [`${'('.repeat(400)}true${')'.repeat(400)}`, /at character/],
    ['nothing(data)', /at character/],
  ])('that cannot be asked is refused with the place: %j', (text, sentence) => {
    expect(checkCondition(text)).toMatch(sentence)
    expect(evaluateCondition(text, facts)).toMatchObject({ holds: false })
  })

  test('that adds up long lists is ended', () => {
    const list = Array.from({ length: 100_000 }, () => 1)
    const text = `${Array.from({ length: 120 }, () => 'data.l').join('+')} == data.l`
    const before = process.threadCpuUsage()
    expect(evaluateCondition(text, { ...facts, data: { l: list } }).because).toMatch(/^It takes too long/)
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(2_000)
  })

  test('that loops for long is ended, and the next one is asked as if nothing had been', () => {
    const list = Array.from({ length: 10_000 }, (_, index) => index)
    const data = { list, text: 'x'.repeat(200_000) }
    const text = 'data.list.exists(a, data.list.exists(b, data.text.contains("y")))'
    const before = process.threadCpuUsage()
    expect(evaluateCondition(text, { ...facts, data })).toEqual({
      holds: false,
      because: `It takes too long on these values: ${text}`,
    })
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(2_000)
    expect(evaluateCondition(text, { ...facts, data: { list: [1], text: 'xyz' } }).holds).toBe(true)
  })

  test('sees no more of a value than JSON shows, whatever its keys are called', () => {
    for (const name of ['toString', 'hasOwnProperty', '__proto__', 'valueOf', 'size', 'get']) {
      expect(holds(`has(data.${name})`), name).toBe(false)
      expect(holds(`"${name}" in profile`), name).toBe(false)
      expect(evaluateCondition(`data.${name} != null`, facts).because).toContain('is missing')
    }
    expect(holds('data.constructor.name == "plain"')).toBe(true)
    expect(holds('has(profile.constructor)')).toBe(false)
  })
})

describe('Asking a condition', () => {
  const word = fc.constantFrom('data', 'profile', 'tenant', 'x', 'a', 'b', 'constructor', '__proto__', 'prototype', 'toString')
  const piece = fc.oneof(
    word,
    fc.constantFrom('.', '[', ']', '(', ')', '{', '}', ':', '?', ',', '+', '-', '*', '/', '%', '==', '<', 'in', '&&', '||', '!'),
    fc.constantFrom('.exists(x,', '.map(x,', 'has(', 'size(', 'string(', 'int(', 'type(', 'duration(', 'timestamp(', '.json()'),
    fc.constantFrom('1', '1.5', '"a"', 'null', 'true', '"2026-01-01T00:00:00Z"', 'b"a"', '-', '9223372036854775807', '0u'),
  )
  const path = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => `data.${words.join('.')}`)
  const operator = fc.constantFrom('+', '-', '*', '/', '%', '==', '!=', '<', '>=', 'in', '&&', '||')
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.tuple(path, operator, fc.oneof(path, piece)).map((parts) => parts.join(' ')),
  )
  const json = fc.dictionary(fc.oneof(word, fc.string()), fc.jsonValue({ maxDepth: 3 })) as fc.Arbitrary<Record<string, unknown>>

  test('never throws, whatever is asked about whatever', () => {
    fc.assert(
      fc.property(text, json, json, fc.option(json), (condition, data, profile, tenant) => {
        const { holds, because } = evaluateCondition(condition, { data, profile, tenant })
        expect(typeof holds).toBe('boolean')
        expect(because.length).toBeGreaterThan(0)
        if (checkCondition(condition) !== null) expect(holds).toBe(false)
      }),
      { numRuns: 3_000 },
    )
  })

  test('answers the same whoever asked before', () => {
    fc.assert(
      fc.property(text, json, json, (condition, one, other) => {
        const ask = (data: Record<string, unknown>) => evaluateCondition(condition, { data, profile: {}, tenant: null })
        const first = ask(one)
        ask(other)
        expect(ask(one)).toEqual(first)
      }),
    )
  })

  test('reckons with the numbers of JSON as JavaScript does', () => {
    const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
    fc.assert(
      fc.property(number, fc.integer({ min: 1, max: 1_000 }), (n, by) => {
        const ask = (condition: string, m: number) =>
          evaluateCondition(condition, { data: { n, m }, profile: {}, tenant: null }).holds
        expect(ask(`data.n + ${by} == data.m`, n + by)).toBe(true)
        expect(ask(`data.n * ${by} == data.m`, n * by)).toBe(true)
        expect(ask(`data.n / ${by} == data.m`, n / by)).toBe(true)
        expect(ask(`data.n % ${by} == data.m`, n % by)).toBe(true)
        expect(ask(`data.n > ${by}`, 0)).toBe(n > by)
      }),
    )
  })
})

describe('A condition of an element', () => {
  test('knows the loop it stands in and what was named; a route’s does not', () => {
    for (const text of [
      'refs.hero.visible',
      'item.qty > 1',
      'index == 0',
      '$.item.qty > 1 && $.index < 3',
      "data.x == '$.item'",
    ]) {
      expect(checkElementCondition(text), text).toBeNull()
    }
    expect(checkElementCondition('gone.x')).toMatch(/there are data, profile, tenant, refs, item and index \(at character 1\)/)
    expect(checkCondition('item.qty > 1')).toMatch(/there are data, profile and tenant \(at character 1\)/)
    expect(checkCondition('$.item.qty > 1')).not.toBeNull()
  })

  test('says where it is wrong by the characters that were written', () => {
    expect(checkElementCondition('$.item.a == $.index + gone')).toMatch(/\(at character 23\)/)
  })

  test('sees what was named since it was asked before', () => {
    const refs: Record<string, object> = {}
    const ask = () =>
      evaluateElementCondition('has(refs.a) && refs.a.visible', {
        ...{ data: {}, profile: {}, tenant: null },
        refs,
        item: null,
        index: null,
      }).holds
    expect(ask()).toBe(false)
    refs.a = { visible: true }
    expect(ask()).toBe(true)
    refs.a = { visible: false }
    expect(ask()).toBe(false)
  })
})
