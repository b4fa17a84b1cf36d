import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPrinter } from '../../src/render/printer.ts'
import { checkTemplate } from '../../src/render/template-check.ts'

const DATA = {
  name: 'ada lovelace',
  five: 5,
  text: '5',
  list: [1, 'x'],
  none: [],
  blank: ' ',
  nothing: null,
  yes: true,
  customer: { name: 'Josh', email: 'josh@example.com', tags: ['vip'], address: {} },
  json: '{"a":[1,{"b":"deep"}],"__proto__":{"x":1}}',
  flags: '🇫🇷🇩🇪 👩‍👩‍👧 é',
  big: 'x'.repeat(500_000),
}

function print(source: string, data: unknown = DATA): string {
  const context = { data, profile: { locale: 'fr' }, tenant: null, brand: null, urls: null, snippets: new Map<string, string>() }
  return createPrinter(context).print(source)
}

describe('Logic', () => {
  test.each([
    ['{{and true 1 "yay"}}', 'true'],
    ['{{and yes none}}', 'false'],
    ['{{#if (and)}}all{{/if}}', 'all'],
    ['{{or gone nothing five}}', 'true'],
    ['{{#if (or)}}x{{else}}none{{/if}}', 'none'],
    ['{{not gone}}{{not 0}}{{not ""}}{{not none}}{{not nothing}}', 'truetruetruetruetrue'],
    ['{{not "a"}}{{not list}}{{not customer}}', 'falsefalsefalse'],
    ['{{condition five "==" 5}}{{condition five "==" "5"}}{{condition yes "==" "true"}}', 'truetruetrue'],
    ['{{condition five "!=" 6}}{{condition gone "==" nothing}}{{condition gone "==" ""}}', 'truetruefalse'],
    ['{{condition five ">" 4}}{{condition text ">" 40}}{{condition "b" ">=" "a"}}', 'truefalsetrue'],
    ['{{condition gone "<" 5}}{{condition gone ">=" 5}}{{condition list "<" 5}}', 'falsefalsefalse'],
    ['{{eq five 5}}{{ne five 5}}{{gt 2 1}}{{gte 1 1}}{{lt 2 10}}{{lte "2" "10"}}', 'truefalsetruetruetruetrue'],
    ['{{filter "data" "customer.name" "EQUALS" "Josh"}}{{filter "data" "customer.name" "NOT_EQUALS" "Josh"}}', 'truefalse'],
    ['{{filter "data" "customer.email" "CONTAINS" "@example"}}{{filter "data" "customer.tags" "CONTAINS" "vip"}}', 'truetrue'],
    ['{{filter "profile" "locale" "STARTS_WITH" "f"}}{{filter "data" "customer.name" "ENDS_WITH" "sh"}}', 'truetrue'],
    [
      '{{filter "data" "gone" "IS_EMPTY"}}{{filter "data" "blank" "IS_EMPTY"}}{{filter "data" "five" "IS_EMPTY"}}',
      'truetruefalse',
    ],
    ['{{filter "data" "customer.address" "NOT_EMPTY"}}{{filter "data" "list" "NOT_EMPTY"}}', 'falsetrue'],
    ['{{filter "data" "five" "GREATER_THAN" 4}}{{filter "data" "five" "LESS_THAN_OR_EQUALS" 4}}', 'truefalse'],
    ['{{conditional (filter "data" "five" "EQUALS" 5) (filter "data" "gone" "NOT_EMPTY")}}', 'false'],
    ['{{conditional (filter "data" "five" "EQUALS" 5) (filter "data" "gone" "NOT_EMPTY") operator="or"}}', 'true'],
  ])('%s', (source, expected) => expect(print(source)).toBe(expected))
})

describe('Data', () => {
  test.each([
    ['{{default gone "friend"}}{{default nothing gone 1}}{{default 0 1}}{{default "" 1}}', 'friend10'],
    ['{{lookup list 1}}{{lookup customer "name"}}{{lookup customer gone}}{{lookup gone "a"}}', 'xJosh'],
    ['{{lookup customer "constructor"}}{{lookup name "length"}}{{lookup list "map"}}', ''],
    ['{{var "customer.name"}} {{var "data.five"}} {{var "$.five"}} {{var "profile.locale"}}', 'Josh 5 5 fr'],
    ['{{var "customer.gone"}}|{{path "customer.gone"}}|{{path "list[1]"}}', '{customer.gone}||x'],
    ['{{#if (var "gone")}}x{{else}}nothing{{/if}}', 'nothing'],
    ['{{#each list}}{{var "five"}}{{/each}}', '55'],
    ['{{#with (params a=1 b="x")}}{{a}}{{b}}{{/with}}', '1x'],
    ['{{#with (json-parse json)}}{{a.[0]}}{{a.1.b}}{{x}}{{/with}}{{json-parse list}}', '1deep[1,"x"]'],
    ['{{set "a-b" "c"}}{{a-b}}', 'c'],
  ])('%s', (source, expected) => expect(print(source)).toBe(expected))
})

describe('Text', () => {
  test.each([
    ['{{capitalize name}}{{capitalize ""}}{{capitalize gone}}{{capitalize "élan"}}', 'Ada lovelaceÉlan'],
    ['{{concat "a" five gone yes}}|{{concat}}x|{{concat "a" "b" separator=", "}}', 'a5true|x|a, b'],
    ['{{format "%s is %d, %05.2f %s%%" name 7.9 3.14159 yes}}', 'ada lovelace is 7, 03.14 true%'],
    ["{{format \"%'*8s|%-5s|%+d|%x|%2$s %1$s\" 'a' 'b' 3 255}}", '*******a|b    |+3|ff|b a'],
    ['{{format "%06.1f|%e|%g|%o|%X|%b|%t|%.2s" -2.55 1500 0.5 8 255 5 1 "abc"}}', '-002.5|1.5e+3|0.5|10|FF|101|true|ab'],
    ['[{{trim "  a b "}}][{{trim-left "  a "}}][{{trim-right "  a "}}][{{trim gone}}]', '[a b][a ][  a][]'],
    ['{{trim "--a-b--" "-"}}{{trim-left "xya" "yx"}}{{trim-right "a,;" ";,"}}', 'a-baa'],
    ['{{trim-one-char-right "a,b,"}} {{trim-one-char-right "ab" ","}} {{trim-one-char-right "ab," ","}}', 'a,b ab ab'],
    ['{{trim-one-char-right "ok👩‍👩‍👧"}}{{trim-one-char-right ""}}', 'ok'],
    [
      '{{truncate name 3 "…"}}|{{truncate name 99 "…"}}|{{truncate name 3}}|{{truncate name 12 "…"}}',
      'ada…|ada lovelace|ada|ada lovelace',
    ],
    ['{{truncate flags 1}}|{{truncate flags 4 "…"}}|{{truncate "e\u0301a" 1}}', '🇫🇷|🇫🇷🇩🇪 👩‍👩‍👧…|e\u0301'],
  ])('%s', (source, expected) => expect(print(source)).toBe(expected))

  test('is cut between characters as a reader sees them', () => {
    const text = fc.array(fc.constantFrom('a', 'é', 'e\u0301', '🇫🇷', '👩‍👩‍👧', '\ud83d', '한', '\r\n')).map((all) => all.join(''))
    const whole = (one: string) => [...new Intl.Segmenter('en').segment(one)].map(({ segment }) => segment)
    fc.assert(
      fc.property(text, fc.nat(12), (one, length) => {
        expect(print('{{truncate t n}}', { t: one, n: length })).toBe(whole(one).slice(0, length).join(''))
        expect(print('{{trim-one-char-right t}}', { t: one })).toBe(whole(one).slice(0, -1).join(''))
      }),
    )
  })
})

describe('Numbers', () => {
  test.each([
    ['{{abs -1.5}} {{add 1 2 3}} {{add 0.1 0.2}} {{add "1.5" 2}} {{ceil 1.2}} {{floor -1.2}}', '1.5 6 0.3 3.5 2 -2'],
    ['{{divide 7 2}} {{divide 1 3}} {{mod 7 3}} {{mod 0.3 0.1}} {{inc 5}} {{inc 5 2}}', '3.5 0.333333333333333 1 0.1 6 7'],
    ['{{multiply 2 3 4}} {{multiply 19.99 3}} {{subtract 5 7}} {{sub 0.3 0.1}}', '24 59.97 -2 0.2'],
    ['{{round 1.5}} {{round -1.5}} {{round 2.5}} {{round -0.5}} {{round 0.4}} {{round -0.4}}', '2 -2 3 -1 0 0'],
    ['{{round 1.005 2}} {{round -1.005 2}} {{round "1e3" 2}} {{round 12.345 1}}', '1.01 -1.01 1000 12.3'],
  ])('%s', (source, expected) => expect(print(source)).toBe(expected))

  test('halves go away from zero, however large or small they are', () => {
    const numbers = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(numbers, (n) => {
        const rounded = Number(print('{{round n}}', { n }))
        expect(rounded + 0).toBe(Math.sign(n) * Math.round(Math.abs(n)) + 0)
      }),
    )
  })
})

describe('A date', () => {
  const at = Date.UTC(2026, 2, 5, 17, 4, 9, 7)
  const printed = (format: string, zone?: string, value: unknown = at) =>
    print(zone === undefined ? `{{datetime-format v f}}` : '{{datetime-format v f z}}', { v: value, f: format, z: zone })

  test.each([
    ['%A, %d %B %Y %H:%M:%S', undefined, 'Thursday, 05 March 2026 17:04:09'],
    ['%a %e %b %y %I:%M %p %P %L', 'America/New_York', 'Thu  5 Mar 26 12:04 PM pm 007'],
    ['%Y-%m-%d %T %z %:z %Z', 'Europe/Paris', '2026-03-05 18:04:09 +0100 +01:00 GMT+1'],
    ['%z %Z', 'UTC', '+0000 UTC'],
    ['%Z', 'America/New_York', 'EST'],
    ['%z %-d %-H %_H %k|%l', 'Asia/Kolkata', '+0530 5 22 22 22|10'],
    ['%D %F %R %r %v %x %X', 'UTC', '03/05/26 2026-03-05 17:04 05:04:09 PM  5-Mar-2026 03/05/26 05:04:09 PM'],
    ['%c', 'UTC', 'Thu 05 Mar 2026 05:04:09 PM UTC'],
    ['%j %U %W %u %w %o %s %C%%%n%t', 'UTC', `064 09 09 4 4 5th ${Math.floor(at / 1000)} 20%\n\t`],
    ['%j', 'Pacific/Kiritimati', '065'],
  ])('as %s in %s is %s', (format, zone, expected) => expect(printed(format, zone)).toBe(expected))

  test('is ISO text or milliseconds; text without an offset is in the zone already', () => {
    const iso = (value: unknown, zone = 'America/New_York') => printed('%F %T', zone, value)
    expect(iso('2026-03-05T17:04:09.5Z')).toBe('2026-03-05 12:04:09')
    expect(iso('2026-03-05T17:04+01:00')).toBe('2026-03-05 11:04:00')
    expect(iso('2026-03-05 17:04:09-0500')).toBe('2026-03-05 17:04:09')
    expect(iso('2026-03-05')).toBe('2026-03-05 00:00:00')
    expect(iso('2026-07-05T12:30')).toBe('2026-07-05 12:30:00')
    expect(iso(String(at))).toBe('2026-03-05 12:04:09')
    expect(iso(0, 'UTC')).toBe('1970-01-01 00:00:00')
    expect([null, ''].map((one) => iso(one))).toEqual(['', ''])
  })

  test('that there is not is refused', () => {
    for (const value of ['soon', '2026-02-30', '2026-13-01', '2026-01-01T25:00', true, 9e15, '05/03/2026']) {
      expect(() => printed('%F', 'UTC', value), String(value)).toThrow(/^Line 1: 'datetime-format' was given what is no date/)
    }
  })

  test('is the same on a machine in any zone, through its changes to summer time too', () => {
    const before = process.env.TZ
    const offsets = new Set<number>()
    try {
      const seen = ['America/Los_Angeles', 'Asia/Kathmandu', 'UTC'].map((zone) => {
        process.env.TZ = zone
        offsets.add(new Date(at).getTimezoneOffset())
        return Array.from({ length: 400 }, (_, hours) => printed('%c %z %j %U', 'Europe/Berlin', at + hours * 3_600_000)).join(
          '\n',
        )
      })
      expect(new Set(seen).size).toBe(1)
      expect(offsets.size).toBe(3)
    } finally {
      if (before === undefined) delete process.env.TZ
      else process.env.TZ = before
    }
  })
})

describe('Refused, with its line, is', () => {
  test.each([
    ['{{divide 1 0}}', "'divide' was given 0 to divide by."],
    ['{{mod 1 0}}', "'mod' was given 0 to divide by."],
    ['{{add name 1}}', "'add' was given what is no number."],
    ['{{abs gone}}', "'abs' was given what is no number."],
    ['{{inc yes}}', "'inc' was given what is no number."],
    ['{{condition 1 "~" 2}}', "'condition' has no operator '~'; there are ==, ===, !=, !==, >, <, >=, <=."],
    ['{{filter "data" "five" "LIKE"}}', "'filter' has no operator 'LIKE'"],
    ['{{filter customer "five" "IS_EMPTY"}}', "'filter' takes the name of a source"],
    ['{{conditional yes operator="xor"}}', "'conditional' has the operators 'and' and 'or'."],
    ['{{json-parse "{"}}', "'json-parse' was given what is no JSON."],
    ['{{var five}}', "'var' takes a path in quotes"],
    ['{{truncate name "x"}}', "'truncate' takes a text and a whole number of characters"],
    ['{{format "%d" name}}', "'format' was given what is no number for '%d'."],
    ['{{format "%q" 1}}', "'format' cannot read '%q'"],
    ['{{format "%(name)s" 1}}', "'format' cannot read '%'"],
    ['{{format "%1000000d" 1}}', "'format' fills at most 1,000 characters"],
    ['{{format "%.99f" 1}}', "'format' fills at most 1,000 characters and writes at most 20 digits."],
    ['{{round 1 99}}', "'round' takes 0 to 15 digits."],
    ['{{datetime-format 1 "%Q"}}', "'datetime-format' cannot read '%Q'"],
    ['{{datetime-format 1 "%F" "Mars/Olympus"}}', "'Mars/Olympus' is not a time zone"],
  ])('%s', (source, sentence) => {
    expect(checkTemplate(source)).toBeNull()
    expect(() => print(`\n\n${source}`)).toThrow(`Line 3: ${sentence}`)
  })

  test.each([
    ['{{divide 1}}', "Line 1: 'divide' takes 2 values, not 1."],
    ['{{truncate a 1 2 3}}', "Line 1: 'truncate' takes 2 to 3 values, not 4."],
    ['{{add 1}}', "Line 1: 'add' takes 2 values or more, not 1."],
    ['{{not a b}}', "Line 1: 'not' takes 1 value, not 2."],
    ['{{concat a sep=1}}', "Line 1: 'concat' takes no sep."],
    ['{{t "hello"}}', "Line 1: 't' is not known here: translations are an element's locales."],
    ['{{swu_datetimeformat a}}', "Line 1: 'swu_datetimeformat' is not a function; there are abs, add, and, "],
  ])('at once, %s', (source, sentence) => expect(checkTemplate(source)).toContain(sentence))
})

/** 100 × 100 times, in a condition that prints nothing: paid for in steps, not in what is printed. */
test.each([
  '(concat @root.big @root.big)',
  '(format "%1000d%-1000s" 5 "x")',
  '(format "%s" @root.big)',
  '(truncate @root.big 100000)',
  '(trim @root.big)',
  '(trim @root.spaces)',
  '(trim @root.big @root.others)',
  '(trim-one-char-right "x" @root.keys)',
  '(concat separator=@root.keys)',
  '(filter "$" "keys" "STARTS_WITH" "x")',
  '(filter "$" "text" "ENDS_WITH" @root.keys)',
  '(filter "$" "text" "CONTAINS" @root.keys)',
  '(filter "$" "keys" "IS_EMPTY")',
  '(capitalize @root.big)',
  '(eq @root.big @root.big)',
  '(filter "$" "big" "CONTAINS" "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy")',
  '(json-parse @root.json)',
  '(datetime-format 1000000000000 "%F")',
])('What a loop has a function make is counted: %s', (call) => {
  const hundred = Array.from({ length: 100 }, (_, at) => at)
  const data = {
    hundred,
    big: 'x'.repeat(500_000),
    spaces: ' '.repeat(500_000),
    others: `${'y'.repeat(400_000)}x`,
    keys: Object.fromEntries(hundred.flatMap((one) => hundred.map((other) => [`${one} ${other}`, 1]))),
    text: 'x',
    json: `[${'1,'.repeat(50_000)}1]`,
  }
  const source = `{{#each hundred}}{{#each @root.hundred}}{{#if ${call}}}{{/if}}{{/each}}{{/each}}`
  const begin = process.cpuUsage()
  expect(() => print(source, data)).toThrow(/500,000 steps/)
  expect(process.cpuUsage(begin).user / 1_000).toBeLessThan(1_000)
})

test('A text that doubles in a loop ends at the limit', () => {
  const source = '{{set "x" "xx"}}{{#each l}}{{set "x" (concat x x)}}{{/each}}{{x}}'
  expect(() => print(source, { l: Array.from({ length: 100 }, () => 1) })).toThrow(/500,000 steps/)
})
