import type { Content } from '../../src/render/element.ts'

/** A document for each element, and for what elements have in common. */
export const SAMPLES: Readonly<Record<string, Content>> = {
  sugar: { title: 'Order {{id}}', body: 'Dear **{{name}}**,\nit is on its way.\n\n- [track it]({{url}})\n- or _wait_' },
  meta: {
    elements: [
      { type: 'meta', title: 'For {{name}}', locales: { fr: { title: 'Pour {{name}}' } } },
      { type: 'text', content: 'x' },
    ],
  },
  text: {
    title: 'Text',
    elements: [
      { type: 'text', content: '# One\n## Two {{name}}\n### Three\n\nPlain, **bold**, *italic*, ~~gone~~, `code {{id}}`.' },
      { type: 'text', content: 'See <{{url}}>, https://shop.example/o/{{id}}?q={{id}} or [here]({{url}} "title").\nNext line' },
      {
        type: 'text',
        content: '1. one\n2. two\n   - {{name}}\n   - nested\n\n> said {{name}}\n> twice\n\n---\n\n```\na  b\n```',
      },
      { type: 'text', content: '![A logo](https://shop.example/logo.png) in line\n\n![Alone](https://shop.example/{{id}}.png)' },
      { type: 'text', content: '[script](javascript:alert(1)) <b>{{name}}</b>' },
    ],
  },
  'text-style': {
    title: 'Styles',
    elements: [
      { type: 'text', text_style: 'h1', content: 'First' },
      { type: 'text', text_style: 'h2', content: 'Second', align: 'center' },
      { type: 'text', text_style: 'h3', content: 'Third', color: '{{brand.colors.primary}}' },
      { type: 'text', text_style: 'subtext', content: 'Small {{name}}', italic: true },
      { type: 'text', content: 'All of it', bold: true, underline: true, strikethrough: true, color: 'navy', align: 'right' },
      { type: 'text', format: 'plain', content: '**Not** bold\n# no heading, {{name}}' },
    ],
  },
  'text-parts': {
    title: 'Parts',
    elements: [
      {
        type: 'text',
        elements: [
          { type: 'string', content: 'Hello {{name}}, ' },
          { type: 'string', content: 'bold ', bold: true, color: '#c00' },
          { type: 'link', content: 'your order', href: 'https://shop.example/o/{{id}}', italic: true },
          { type: 'string', content: ', {{$.item.name}}', loop: 'lines' },
          { type: 'img', src: 'https://shop.example/tick.png', alt_text: ' done', width: 16 },
          { type: 'link', content: ' bad', href: '{{name}}' },
        ],
      },
    ],
  },
  action: {
    title: 'Actions',
    elements: [
      { type: 'action', content: 'Pay {{id}}', href: 'https://shop.example/pay/{{id}}?by={{name}}', action_id: 'pay' },
      { type: 'action', content: 'Later', href: '{{url}}', style: 'link', align: 'left' },
      {
        type: 'action',
        content: 'Wide',
        href: 'mailto:help@shop.example',
        align: 'full',
        background_color: '#0a7',
        color: 'white',
      },
      { type: 'action', content: 'Nowhere', href: '{{name}}' },
    ],
  },
  image: {
    title: 'Images',
    elements: [
      { type: 'image', src: 'https://shop.example/{{id}}.png', alt_text: 'A picture of {{name}}', width: '50%', href: '{{url}}' },
      { type: 'image', src: 'https://shop.example/wide.png', align: 'full', locales: { fr: { alt_text: 'Une image' } } },
      { type: 'image', src: '{{name}}', alt_text: 'Nothing to see' },
    ],
  },
  divider: {
    title: 'Divider',
    elements: [
      { type: 'text', content: 'above' },
      { type: 'divider', color: '#ccc' },
      { type: 'text', content: 'below' },
    ],
  },
  quote: {
    title: 'Quote',
    elements: [
      { type: 'quote', content: 'One of **{{name}}**\n\nand more', border_color: 'teal', text_style: 'h3', align: 'center' },
    ],
  },
  group: {
    title: 'Group',
    elements: [
      {
        type: 'group',
        loop: 'lines',
        if: 'item.name != "Coffee"',
        elements: [
          { type: 'text', content: '{{$.index}}. {{$.item.name}}' },
          { type: 'text', content: 'Note: {{$.item}}', loop: '$.item.notes', ref: 'note' },
          { type: 'text', content: 'noted: {{refs.note.content}}', if: 'refs.note.visible' },
        ],
      },
      { type: 'group', if: 'data.missing == 1', elements: [{ type: 'text', content: 'never' }] },
    ],
  },
  list: {
    title: 'Lists',
    elements: [
      {
        type: 'list',
        elements: [
          { type: 'list-item', content: '**{{$.item.name}}** for {{$.item.price}}', loop: 'lines', background_color: '#eef' },
          {
            type: 'list-item',
            elements: [
              { type: 'string', content: 'with ' },
              { type: 'link', content: 'a link', href: '{{url}}' },
              {
                type: 'list',
                list_type: 'ordered',
                elements: [
                  { type: 'list-item', content: 'first' },
                  { type: 'list-item', content: 'second' },
                ],
              },
            ],
          },
        ],
      },
    ],
  },
  columns: {
    title: 'Columns',
    elements: [
      {
        type: 'columns',
        loop: 'lines',
        elements: [
          { type: 'column', width: '70%', elements: [{ type: 'text', content: '{{$.item.name}}' }] },
          { type: 'column', width: '30%', elements: [{ type: 'text', content: '{{$.item.price}}', align: 'right' }] },
        ],
      },
      {
        type: 'columns',
        elements: [
          { type: 'column', elements: [{ type: 'text', content: 'Left\ntwo lines' }, { type: 'divider' }] },
          { type: 'column', elements: [{ type: 'action', content: 'Right', href: '{{url}}' }] },
        ],
      },
    ],
  },
  rows: {
    title: 'Rows',
    elements: [
      {
        type: 'columns',
        loop: 'lines',
        elements: [
          {
            type: 'column',
            width: '64px',
            elements: [{ type: 'image', src: 'https://shop.example/{{$.index}}.png', width: 48, align: 'left', href: '{{url}}' }],
          },
          {
            type: 'column',
            elements: [
              { type: 'text', content: '{{$.item.name}}', color: '{{brand.colors.primary}}' },
              { type: 'text', content: '{{$.item.notes}}', text_style: 'subtext', if: 'size(item.notes) > 0' },
              { type: 'action', content: 'Again', href: '{{url}}', style: 'link' },
            ],
          },
          { type: 'column', width: '90px', elements: [{ type: 'text', content: '{{$.item.price}}', align: 'right' }] },
        ],
      },
      {
        type: 'columns',
        elements: [
          { type: 'column', elements: [{ type: 'text', content: 'Total', bold: true }] },
          {
            type: 'column',
            width: '90px',
            elements: [{ type: 'text', content: '€ 15.50', align: 'right' }, { type: 'divider' }],
          },
        ],
      },
    ],
  },
  'right-to-left': {
    title: 'طلبك {{id}}',
    elements: [
      { type: 'text', text_style: 'h1', content: 'شكرا لك' },
      { type: 'text', content: 'نص **غامق** مع رقم 42 and English, [رابط]({{url}}).' },
      {
        type: 'list',
        list_type: 'ordered',
        elements: [
          { type: 'list-item', content: 'أولا' },
          { type: 'list-item', content: 'ثانيا' },
        ],
      },
      { type: 'quote', content: 'اقتباس من عميل' },
      {
        type: 'columns',
        loop: 'lines',
        elements: [
          { type: 'column', elements: [{ type: 'text', content: 'قهوة' }] },
          { type: 'column', width: '90px', elements: [{ type: 'text', content: '{{$.item.price}}', align: 'right' }] },
        ],
      },
      {
        type: 'columns',
        elements: [
          { type: 'column', elements: [{ type: 'text', content: 'العنوان' }] },
          { type: 'column', elements: [{ type: 'text', content: 'الدفع' }] },
        ],
      },
      { type: 'action', content: 'افتح الطلب', href: '{{url}}' },
      { type: 'action', content: 'لاحقا', href: '{{url}}', style: 'link' },
    ],
  },
  html: {
    title: 'HTML',
    elements: [
      {
        type: 'html',
        content: '<p onclick="x()">Hello <b>{{name}}</b> <a href="{{url}}">there</a><script>alert(1)</script></p>',
      },
      { type: 'text', content: 'and text' },
    ],
  },
  comment: {
    title: 'Comment',
    elements: [
      { type: 'comment', comment: 'not shown' },
      { type: 'text', content: 'shown' },
    ],
  },
  channel: {
    elements: [
      {
        type: 'channel',
        channel: 'email',
        elements: [
          { type: 'meta', title: 'By mail' },
          { type: 'text', content: 'A long letter' },
        ],
      },
      { type: 'channel', channel: 'sms', raw: { text: 'Short, {{name}}' } },
      {
        type: 'channel',
        channel: 'direct_message',
        raw: { text: 'Hi', blocks: [{ type: 'section', text: { type: 'mrkdwn', text: '{{name}}' } }] },
      },
      { type: 'channel', channel: 'webhook', raw: { payload: { kind: 'order', id: '{{id}}', price: 3, of: ['{{name}}'] } } },
      { type: 'channel', channel: 'default', elements: [{ type: 'text', content: 'For all others' }] },
    ],
  },
  raw: {
    elements: [
      {
        type: 'channel',
        channel: 'email',
        raw: { subject: 'Raw {{id}}', html: '<html><body><p title="{{name}}">{{name}}</p></body></html>', text: 'raw {{name}}' },
      },
    ],
  },
  mail: { elements: [{ type: 'html', content: '<p>For mails alone</p>' }] },
  locales: {
    title: 'Locales',
    elements: [
      { type: 'text', content: 'base', locales: { fr: { content: 'français' }, 'fr-CA': { content: 'canadien' } } },
      { type: 'text', content: 'base', locales: { fr: { content: 'français' } } },
      { type: 'text', content: 'base', locales: { de: { content: 'deutsch' } } },
      { type: 'action', content: 'Go', href: '{{url}}', locales: { fr_CA: { content: 'Aller' } } },
    ],
  },
  channels: {
    title: 'Channels',
    elements: [
      { type: 'text', content: 'mail', channels: ['email'] },
      { type: 'text', content: 'phone', channels: ['sms', 'push'] },
      { type: 'text', content: 'elsewhere', channels: ['inbox', 'direct_message', 'webhook'] },
    ],
  },
}
