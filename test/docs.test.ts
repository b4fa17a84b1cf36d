import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { parse, validate } from 'graphql'
import { describe, expect, test } from 'vitest'
import { createProviders } from '../src/channels/index.ts'
import { settingsSchema } from '../src/channels/provider.ts'
import { signWebhook } from '../src/channels/webhook-signature.ts'
import { settingsTable } from '../src/config.ts'
import { MOST_TRIES, restBefore } from '../src/domain/webhook-retry.ts'
import { schema } from '../src/graphql/schema.ts'
import { checkContent } from '../src/render/check.ts'
import { FUNCTIONS } from '../src/render/functions/table.ts'
import { createPrinter } from '../src/render/printer.ts'
import { SHAPES } from '../src/render/shape.ts'

const ROOT = new URL('../', import.meta.url)
const PAGES = ['README.md', 'CONTRIBUTING.md', 'docs/templates.md', 'docs/webhooks.md'] as const

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}

test('The settings in the README are those of the configuration', () => {
  expect(read('README.md')).toContain(settingsTable())
})

test('The table of providers names every kind with its channel and its settings, and says which of them report', () => {
  const [, section = ''] = read('README.md').split('### Providers\n')
  const rows = section.split('\n## ')[0]!.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| .* \| (.*?) \|$/gm)
  const told = [...rows].map(([, kind, channel, configured, callbacks]) => ({
    kind,
    channel,
    settings: [...configured!.matchAll(/`(\w+)`/g)].map(([, name]) => name!).sort(),
    reports: callbacks !== 'none',
  }))
  const known = createProviders().map((provider) => ({
    kind: provider.kind,
    channel: provider.channel,
    settings: Object.keys(settingsSchema(provider).properties ?? {}).sort(),
    reports: provider.readCallback !== undefined,
  }))
  expect(told).toEqual(known)
})

describe('docs/templates.md', () => {
  const text = read('docs/templates.md')
  const [document, data] = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json!) as object)

  test('has every element with its fields, and says which of them are needed', () => {
    const told = rowsOf(text, '| element |').map(([name, fields]) => {
      const [needed = '', more = ''] = fields!.split(';')
      return { name: codeIn(name!)[0], needed: codeIn(needed), fields: [...codeIn(needed), ...codeIn(more)].sort() }
    })
    const known = [...SHAPES].map(([name, { shape }]) => {
      const own = Object.entries(shape).filter(([field]) => field !== 'type' && !COMMON.includes(field))
      return { name, needed: own.filter(([, type]) => !type.safeParse(undefined).success), fields: own.map(([field]) => field) }
    })
    expect(told.map(({ name, fields }) => ({ name, fields }))).toEqual(
      known.map(({ name, fields }) => ({ name, fields: fields.sort() })),
    )
    for (const [index, { needed }] of known.entries()) {
      expect(told[index]!.needed).toEqual(expect.arrayContaining(needed.map(([field]) => field)))
    }
  })

  test('has what every element may have', () => {
    const told = rowsOf(text, '| field |').map(([field]) => codeIn(field!)[0])
    expect(told).toEqual([...COMMON, 'locales'])
  })

  test('shows a document that can be sent', () => {
    expect(checkContent(document)).toBeNull()
  })

  test('has every function of the template language', () => {
    const told = rowsOf(text, '| function |').map(([name]) => codeIn(name!)[0])
    expect(told.toSorted()).toEqual([...FUNCTIONS.keys(), 'set'].sort())
  })

  const examples = ['| block |', '| function |'].flatMap((head) => rowsOf(text, head).map((row) => row.slice(-2).map(codeOf)))

  test.each(examples)('%s prints %s', (source, printed) => {
    const nothing = { profile: null, tenant: null, brand: null, urls: null, snippets: new Map<string, string>() }
    expect(createPrinter({ ...nothing, data }).print(source!)).toBe(printed)
  })
})

describe('docs/webhooks.md', () => {
  const text = read('docs/webhooks.md')
  const [receiver] = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!)
  const [event] = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => json!)

  test('names the rests between two calls', () => {
    const units: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000 }
    const [, list = ''] = /called for again after (.*?), each/.exec(text) ?? []
    const told = [...list.matchAll(/(\d+) (s|min|h)/g)].map(([, count, unit]) => Number(count) * units[unit!]!)
    const firstAt = new Date()
    const rests = told.map((_, index) => restBefore({ count: index + 1, firstAt }, 0, firstAt, 0))
    expect(told).toEqual(rests)
    expect(told).toHaveLength(MOST_TRIES - 1)
  })

  test('shows a receiver that takes what is signed, and nothing else', async () => {
    const secret = `whsec_${Buffer.alloc(32, 'bell').toString('base64')}`
    const port = await freePort()
    const env = { PATH: process.env.PATH, WEBHOOK_SECRET: secret, PORT: String(port) }
    const child = spawn(process.execPath, ['--input-type=module', '-e', receiver!], { env, stdio: 'ignore' })
    try {
      const headers = signWebhook({ secrets: [secret], id: 'whd_1', at: new Date(), body: event! })
      const post = async (body: string) => (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', headers, body })).status
      await expect.poll(() => post(event!).catch(() => 0), { timeout: 20_000 }).toBe(204)
      expect(await post(`${event} `)).toBe(400)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('shows operations of the API', () => {
    const shown = [...text.matchAll(/```graphql\n(.*?)```/gs)].map(([, source]) => parse(source!))
    expect(shown.length).toBeGreaterThan(0)
    for (const document of shown) expect(validate(schema, document)).toEqual([])
  })
})

describe.each(PAGES)('%s', (page) => {
  const text = read(page)
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

  test('names only scripts that exist', () => {
    const named = [...text.matchAll(/\bnpm run ([a-z:-]+)/g)].map(([, name]) => name!)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('links only to files and headings that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)]
    const broken = links.filter(([, path, anchor]) => {
      const target = new URL(path!, new URL(page, ROOT))
      return !existsSync(target) || (anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor))
    })
    expect(broken.map(([link]) => link)).toEqual([])
  })

  test('names only files that exist', () => {
    const named = [...text.matchAll(/`((?:src|test|prisma|schema|\.ci)\/[\w./-]*\w)`/g)].map(([, path]) => path!)
    expect(named.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([])
  })
})

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!)
  return headings.map(
    (heading) =>
      `#${heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} -]/gu, '')
        .replaceAll(' ', '-')}`,
  )
}

/** What every element may have, in its type's order. */
const COMMON = ['channels', 'if', 'loop', 'ref']

/** The cells of a table's rows, found by how its head begins. */
function rowsOf(markdown: string, head: string): string[][] {
  const [, table = ''] = markdown.split(`\n${head}`)
  const rows = table.split('\n\n', 1)[0]!.split('\n').slice(2)
  return rows.map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
}

const codeIn = (cell: string) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!)

const codeOf = (cell: string) => cell.replace(/^`|`$/g, '')

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
