import { z } from 'zod'
import { hexOf } from './color.ts'

/** What fields each element has and what may stand in them (element.ts); what elements it holds is for check.ts. */

const LONGEST_PATH = 500
const MOST_CHANNELS = 50
const MOST_LOCALES = 200

const text = z.string()
const flag = z.boolean()
const held = z.array(z.unknown())

const name = z.string().regex(/^[A-Za-z_]\w{0,63}$/, 'must be a name: letters, digits and _, at most 64.')
const id = z.string().min(1, 'must not be empty.').max(256, 'must be at most 256 characters.')

const color = z
  .string()
  .refine(
    (value) => hexOf(value) !== null || /^\{\{\s*brand\.colors\.(?:primary|secondary|tertiary)\s*\}\}$/.test(value),
    'must be a colour: #rgb, #rrggbb, a basic name like navy, or {{brand.colors.primary}}, secondary or tertiary.',
  )

const width = z.custom<string | number>(
  (value) => (typeof value === 'number' || typeof value === 'string') && isWidth(String(value)),
  'must be pixels, like 140 or "140px", at most 2,000, or a share, like "50%".',
)

function isWidth(text: string): boolean {
  const [, amount, unit] = /^(\d{1,4}(?:\.\d{1,2})?)(px|%)?$/.exec(text) ?? []
  return amount !== undefined && Number(amount) > 0 && Number(amount) <= (unit === '%' ? 100 : 2_000)
}

/** A path of a template: `items`, `data.items`, `profile.lists.0`, `$.item.lines`. */
const path = z
  .string()
  .max(LONGEST_PATH, `must be at most ${LONGEST_PATH} characters.`)
  .regex(/^(?:\$\.item|[A-Za-z_][\w-]*)(?:\.[\w-]+|\[\d{1,6}\])*$/, 'must be a path to a list, like data.items or $.item.lines.')

const common = {
  channels: z
    .array(id)
    .min(1, 'must name a channel.')
    .max(MOST_CHANNELS, `must name at most ${MOST_CHANNELS} channels.`)
    .optional(),
  if: z.string().optional(),
  loop: path.optional(),
  ref: name.optional(),
}

const styling = {
  color: color.optional(),
  bold: flag.optional(),
  italic: flag.optional(),
  strikethrough: flag.optional(),
  underline: flag.optional(),
}

const align = z.enum(['left', 'center', 'right']).optional()
const wideAlign = z.enum(['left', 'center', 'right', 'full']).optional()
const textStyle = z.enum(['text', 'h1', 'h2', 'h3', 'subtext']).optional()

/** By locale, what is said instead. */
const locales = <T extends z.ZodRawShape>(fields: T) =>
  z
    .record(
      z.string().regex(/^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*$/, 'is no locale: they are written like fr or fr-CA.'),
      z.strictObject(fields),
    )
    .refine((given) => Object.keys(given).length <= MOST_LOCALES, `must be at most ${MOST_LOCALES}.`)
    .optional()

const type = z.string()

const img = {
  src: text,
  alt_text: text.optional(),
  width: width.optional(),
  href: text.optional(),
  disable_tracking: flag.optional(),
}

/** Every type of element by its name. */
export const SHAPES: ReadonlyMap<string, z.ZodObject> = new Map<string, z.ZodObject>([
  ['meta', z.strictObject({ type, ...common, title: text.optional(), locales: locales({ title: text }) })],
  [
    'text',
    z.strictObject({
      type,
      ...common,
      ...styling,
      content: text.optional(),
      elements: held.optional(),
      align,
      text_style: textStyle,
      format: z.enum(['markdown', 'plain']).optional(),
      locales: locales({ content: text }),
    }),
  ],
  ['string', z.strictObject({ type, ...common, ...styling, content: text })],
  ['link', z.strictObject({ type, ...common, ...styling, content: text, href: text, disable_tracking: flag.optional() })],
  ['img', z.strictObject({ type, ...common, ...img })],
  [
    'action',
    z.strictObject({
      type,
      ...common,
      content: text,
      href: text,
      action_id: id.optional(),
      align: wideAlign,
      background_color: color.optional(),
      color: color.optional(),
      style: z.enum(['button', 'link']).optional(),
      disable_tracking: flag.optional(),
      locales: locales({ content: text.optional(), href: text.optional() }),
    }),
  ],
  [
    'image',
    z.strictObject({
      type,
      ...common,
      ...img,
      align: wideAlign,
      locales: locales({ src: text.optional(), href: text.optional(), alt_text: text.optional() }),
    }),
  ],
  ['divider', z.strictObject({ type, ...common, color: color.optional() })],
  [
    'quote',
    z.strictObject({
      type,
      ...common,
      content: text,
      align,
      border_color: color.optional(),
      text_style: textStyle,
      locales: locales({ content: text }),
    }),
  ],
  ['group', z.strictObject({ type, ...common, elements: held })],
  ['list', z.strictObject({ type, ...common, list_type: z.enum(['ordered', 'unordered']).optional(), elements: held })],
  [
    'list-item',
    z.strictObject({
      type,
      ...common,
      content: text.optional(),
      elements: held.optional(),
      background_color: color.optional(),
      locales: locales({ content: text }),
    }),
  ],
  ['columns', z.strictObject({ type, ...common, elements: held })],
  ['column', z.strictObject({ type, ...common, width: width.optional(), elements: held })],
  ['html', z.strictObject({ type, ...common, content: text, locales: locales({ content: text }) })],
  ['comment', z.strictObject({ type, ...common, comment: text.optional() })],
  ['channel', z.strictObject({ type, ...common, channel: id, elements: held.optional(), raw: z.unknown().optional() })],
])

export const RAW_SHAPE = z.strictObject({
  subject: text.optional(),
  title: text.optional(),
  html: text.optional(),
  text: text.optional(),
  transformers: z.array(z.enum(['handlebars', 'mjml'])).optional(),
  blocks: z.unknown().optional(),
  slackBlocks: z.unknown().optional(),
  payload: z.unknown().optional(),
})

/** Of title, body and version; what elements hold is checked one by one. */
export const CONTENT_SHAPE = z.strictObject({
  title: text.nullish(),
  body: text.nullish(),
  version: z.enum(['2022-01-01', '2020-01-01']).nullish(),
  elements: held.nullish(),
})
