import { describe, expect, test } from 'vitest'
import { escapeMarkdown, escapeSlack } from '../../src/channels/chat-escape.ts'
import type { Json } from '../../src/render/job.ts'
import { renderContent } from './job.ts'

const EVIL = '<!channel> <https://evil.example|bank> [bank](https://evil.example) **now** & https://evil.example @everyone'

/** A service's own blocks with values in them. */
async function say(blocks: unknown, data: Json = { evil: EVIL }): Promise<unknown> {
  const elements = [{ type: 'channel' as const, channel: 'direct_message', raw: { text: 'x', blocks } }]
  return (await renderContent({ elements } as never, { channel: 'DIRECT_MESSAGE', data })).payload
}

const mrkdwn = async (text: string, data?: Json) => {
  const [block] = (await say([{ type: 'section', text: { type: 'mrkdwn', text } }], data)) as { text: { text: string } }[]
  return block!.text.text
}

const textBlock = async (text: string, data?: Json) => {
  const card = (await say({ type: 'AdaptiveCard', body: [{ type: 'TextBlock', text }] }, data)) as { body: { text: string }[] }
  return card.body[0]!.text
}

describe('T20 An address in a service’s own blocks', () => {
  const PLACES: readonly (readonly [string, (url: string) => unknown, string])[] = [
    ['a button', (url) => [{ type: 'actions', elements: [{ type: 'button', url }] }], '0.elements.0.url'],
    ['a picture', (url) => [{ type: 'image', image_url: url, alt_text: 'A' }], '0.image_url'],
    ['a link of rich text', (url) => [{ type: 'rich_text', elements: [{ type: 'link', url }] }], '0.elements.0.url'],
    ['a card’s button', (url) => ({ type: 'AdaptiveCard', actions: [{ type: 'Action.OpenUrl', url }] }), 'actions.0.url'],
    ['a card’s picture', (url) => ({ type: 'AdaptiveCard', body: [{ type: 'Image', url }] }), 'body.0.url'],
    ['a card’s background', (url) => ({ type: 'AdaptiveCard', backgroundImage: url }), 'backgroundImage'],
    ['an embed', (url) => [{ title: 'T', url }], '0.url'],
    ['an embed’s author', (url) => [{ author: { name: 'A', icon_url: url } }], '0.author.icon_url'],
  ]

  test.each(PLACES)('of %s leads to the web, otherwise it is refused by its place', async (_what, blocks, place) => {
    for (const url of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc', '//evil.example', 'https://a@evil.example']) {
      await expect(say(blocks('{{url}}'), { url })).rejects.toThrow(`elements.0.raw.blocks.${place}: must lead to http`)
      await expect(say(blocks(url))).rejects.toThrow(`elements.0.raw.blocks.${place}: must lead to http`)
    }
    const url = 'https://good.example/a?b=c&d=e'
    expect(await say(blocks('{{url}}'), { url })).toEqual(blocks(url))
    expect(await say(blocks('https://good.example/{{id}}'), { id: 'a b?c=1' })).toEqual(
      blocks('https://good.example/a%20b%3Fc=1'),
    )
  })

  test('leads to a mail or a call from what is pressed, and never from a picture', async () => {
    const button = (url: string) => [{ type: 'actions', elements: [{ type: 'button', url }] }]
    expect(await say(button('{{url}}'), { url: 'tel:555' })).toEqual(button('tel:555'))
    await expect(say([{ type: 'image', image_url: '{{url}}' }], { url: 'tel:555' })).rejects.toThrow(
      'must lead to http or https.',
    )
  })

  test('is left out where it is empty, and a picture in it is its author’s alone', async () => {
    expect(await say([{ title: 'T', url: '{{none}}' }])).toEqual([{ title: 'T' }])
    const url = 'data:image/png;base64,AA'
    const card = (one: string) => ({ type: 'AdaptiveCard', body: [{ type: 'Image', url: one }] })
    expect(await say(card(url))).toEqual(card(url))
    await expect(say(card('data:image/{{evil}}'))).rejects.toThrow('no value may be a part of one')
    await expect(say(card('{{url}}'), { url })).rejects.toThrow('must lead to http or https.')
  })
})

describe('A value in Slack’s mrkdwn', () => {
  test('is text: nothing links itself, calls anybody or stands in front of an address', async () => {
    const payload = await say([{ type: 'section', text: { type: 'mrkdwn', text: '*Ours* {{evil}}' } }])
    expect(payload).toEqual([{ type: 'section', text: { type: 'mrkdwn', text: `*Ours* ${escapeSlack(EVIL)}`, verbatim: true } }])
    const own = [{ type: 'section', text: { type: 'mrkdwn', text: 'https://good.example' } }]
    expect(await say(own)).toEqual(own)
  })

  test('is no more than a part of an address, and its label is the author’s', async () => {
    expect(await mrkdwn('<{{url}}|Go>', { url: 'https://a.example/?x=1&y=2|Sign in>' })).toBe(
      '<https://a.example/?x=1&amp;y=2%7CSign%20in%3E|Go>',
    )
    expect(await mrkdwn('<https://a.example/{{id}}|{{name}}>', { id: 'a|b', name: '<b>' })).toBe(
      '<https://a.example/a%7Cb|&lt;b&gt;>',
    )
    expect(await mrkdwn('<https://good.example|ours> {{a}}', { a: '|' })).toBe('<https://good.example|ours> |')
    expect(await mrkdwn('<{{url}}|Go> <{{call}}>', { url: 'javascript:alert(1)', call: '!channel' })).toBe('Go ')
  })

  test('names who is meant where its author calls somebody', async () => {
    expect(await mrkdwn('<@{{id}}|x> <!channel>', { id: 'U1|y> <!here' })).toBe('<@U1y!here|x> <!channel>')
  })

  test('leaves its author’s addresses links', async () => {
    expect(await mrkdwn('See https://a.example/o/{{id}}. Or https://b.example, {{id}}', { id: 'a&b' })).toBe(
      'See <https://a.example/o/a%26b>. Or <https://b.example>, a&amp;b',
    )
  })
})

describe('A value in Markdown', () => {
  test('of cards is text, in a TextBlock and in facts', async () => {
    const card = (text: string) => ({
      type: 'AdaptiveCard',
      body: [
        { type: 'TextBlock', text: `**Ours** ${text}` },
        { type: 'FactSet', facts: [{ title: text, value: text }] },
      ],
    })
    expect(await say(card('{{evil}}'))).toEqual(card(escapeMarkdown(EVIL)))
    expect(await say([{ type: 'markdown', text: '{{evil}}' }])).toEqual([{ type: 'markdown', text: escapeMarkdown(EVIL) }])
  })

  test('of embeds is text where Markdown is read, and as it is where none is', async () => {
    const embed = (text: string, plain: string) => ({
      title: text,
      description: text,
      fields: [{ name: text, value: text }],
      footer: { text: plain },
      author: { name: plain },
      timestamp: '2026-03-14T09:26:53Z',
    })
    const said = await say([{ ...embed('{{evil}}', '{{evil}}'), timestamp: '{{at}}' }], {
      evil: EVIL,
      at: '2026-03-14T09:26:53Z',
    })
    expect(said).toEqual([embed(escapeMarkdown(EVIL), EVIL)])
  })

  test('is no more than a part of a link’s address', async () => {
    const url = 'https://a.example/x) [evil](https://evil.example'
    expect(await textBlock('[Go {{name}}]({{url}})', { name: '[x]', url })).toBe(
      `[Go \\[x\\]](https://a.example/x%29%20%5Bevil%5D%28https://evil.example)`,
    )
    expect(await textBlock('See https://a.example/{{id}}!', { id: 'a*b*' })).toBe('See https://a.example/a%2Ab%2A!')
    for (const link of ['[Go]({{url}})', '![Go]( <{{url}}> )', '[Go]({{url}} "t")', '[a [b] c]({{url}})']) {
      const said = await textBlock(link, { url: 'javascript:alert(1)' })
      expect(said).not.toContain('javascript')
    }
  })
})

test('What an object of a service’s blocks is, no template says', async () => {
  const blocks = [{ type: 'section', text: { type: '{{kind}}', text: '{{evil}}' } }]
  await expect(say(blocks, { kind: 'mrkdwn' })).rejects.toThrow(
    'elements.0.raw.blocks.0.text.type: must be written out: no template may say what an object is.',
  )
})
