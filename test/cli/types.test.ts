import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createApi } from '../../src/cli/api.ts'
import { declareTypes } from '../../src/cli/types-declaration.ts'
import { house } from '../support/house.ts'
import { run } from './command.ts'

const TSC = new URL('../../node_modules/.bin/tsc', import.meta.url).pathname

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-types-'))
})

afterEach(() => rm(folder, { recursive: true }))

const RECEIPT = {
  type: 'object',
  title: 'Anything',
  required: ['name', 'lines'],
  properties: {
    name: { type: 'string', description: 'Who bought. */ export const evil = 1 /*' },
    lines: { type: 'array', minItems: 1, items: { $ref: '#/$defs/line' } },
    currency: { enum: ['EUR', 'USD'] },
  },
  $defs: {
    line: { type: 'object', required: ['price'], properties: { price: { type: 'number' }, note: { type: ['string', 'null'] } } },
  },
}

const RIGHT = `
  template: 'order-receipt',
  data: { name: 'Ada', lines: [{ price: 9.5, note: null }], currency: 'EUR' },
`

/** What the compiler says of a call beside the declaration in the folder, with the line that it is about; empty where it is right. */
async function compile(call: string): Promise<string> {
  await writeFile(
    join(folder, 'call.ts'),
    `import type { SendTemplateInput, TemplateData } from './templates.d.ts'
     declare function send<Id extends keyof TemplateData>(input: SendTemplateInput<Id>): void
     send({${call}})\n`,
  )
  const args = [
    '--noEmit',
    '--strict',
    '--lib',
    'esnext',
    '--pretty',
    '--allowImportingTsExtensions',
    '--module',
    'nodenext',
    '--types',
    '',
    'call.ts',
  ]
  return new Promise((resolve) =>
    execFile(TSC, args, { cwd: folder }, (_failed, stdout, stderr) => resolve(stripVTControlCharacters(`${stdout}${stderr}`))),
  )
}

describe('Of a declared template', () => {
  beforeEach(async () => {
    const templates = [
      { id: 'welcome', dataSchema: null },
      { id: 'order-receipt', dataSchema: RECEIPT },
      {
        id: 'order/receipt',
        dataSchema: { type: 'object', properties: { line: { $ref: '#/$defs/line' } }, $defs: { line: { type: 'string' } } },
      },
    ]
    await writeFile(join(folder, 'templates.d.ts'), await declareTypes(templates))
  })

  test.each<[string, string]>([
    ['right data', RIGHT],
    ['any data, where it has no schema', "template: 'welcome', data: { anything: [1] }"],
    ['data of a template whose names look alike', "template: 'order/receipt', data: { line: 'a' }"],
  ])('%s compiles', async (_what, call) => {
    expect(await compile(call)).toBe('')
  })

  test.each<[string, string, string]>([
    ['a field that is missing', RIGHT.replace("name: 'Ada', ", ''), 'name'],
    ['a field of another type', RIGHT.replace('9.5', "'9.5'"), 'price'],
    ['a field that is misspelt', RIGHT.replace('currency', 'currencey'), 'currencey'],
    ['a value that is not offered', RIGHT.replace('EUR', 'GBP'), 'GBP'],
    ['a template that is not there', RIGHT.replace('order-receipt', 'order-recipt'), 'order-recipt'],
  ])('%s is an error that names it', async (_what, call, name) => {
    const complaints = await compile(call)
    expect(complaints).toContain('call.ts')
    expect(complaints).toContain(name)
  })
})

describe('A declaration', () => {
  test('is the same in whatever order templates come, and without any', async () => {
    const templates = ['b', 'a', 'B', 'c-1', 'c_1'].map((id) => ({ id, dataSchema: RECEIPT }))
    const declaration = await declareTypes(templates)
    expect(await declareTypes(templates.toReversed())).toBe(declaration)
    expect(await declareTypes([])).toContain('export interface TemplateData {}')
  })

  test('reads no file and calls nobody, and takes no TypeScript from a schema', async () => {
    let calls = 0
    const server = createServer((_request, response) => response.end(JSON.stringify({ type: `${++calls}` })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await writeFile(join(folder, 'secret.json'), '{"type":"object","properties":{"secret":{}}}')
    const schema = {
      type: 'object',
      properties: {
        file: { $ref: `file://${folder}/secret.json` },
        url: { $ref: `http://127.0.0.1:${port}/` },
        code: { tsType: 'process.exit()', type: 'string', tsEnumNames: ['x'] },
        tsType: { type: 'number' },
      },
    }
    const declaration = await declareTypes([{ id: 'a', dataSchema: schema }])
    await new Promise((resolve) => server.close(resolve))
    expect(calls).toBe(0)
    expect(declaration).toMatch(/file\?: unknown\n\s+url\?: unknown\n\s+code\?: string\n\s+tsType\?: number\n/)
  })
})

describe('carillon types', () => {
  test('without a key says what to set', async () => {
    const { code, stderr } = await run(['types'], { CARILLON_DATA_DIR: folder })
    expect(stderr).toContain('CARILLON_ADMIN_KEY')
    expect(code).toBe(1)
  })

  test('says that the server does not answer', async () => {
    const env = { CARILLON_PUBLIC_URL: 'http://127.0.0.1:1', CARILLON_ADMIN_KEY: `ck_live_${'a'.repeat(32)}` }
    const { code, stderr } = await run(['types'], env)
    expect(stderr).toContain('http://127.0.0.1:1 does not answer')
    expect(code).toBe(1)
  })

  test('writes what the published templates of a server take, not their drafts', async () => {
    const { urls, adminKey, stop } = await house({ mode: 'embedded and in process' })
    const api = createApi(urls[0]!, adminKey, AbortSignal.timeout(60_000))
    const put = (id: string, dataSchema: object | null) =>
      api.call('mutation ($id: ID!, $input: TemplateInput!) { putTemplate(id: $id, input: $input) { id } }', {
        id,
        input: { name: id, content: { title: 'Hello' }, dataSchema },
      })
    try {
      for (const id of ['order-receipt', 'welcome']) {
        await put(id, id === 'welcome' ? null : RECEIPT)
        await api.call('mutation ($id: ID!) { publishTemplate(id: $id) { id } }', { id })
      }
      await put('welcome', RECEIPT)
      await put('draft', RECEIPT)
      const env = { CARILLON_PUBLIC_URL: urls[0]!, CARILLON_ADMIN_KEY: adminKey }
      const printed = await run(['types'], env)
      expect(printed).toMatchObject({ code: 0, stderr: '' })
      const path = join(folder, 'templates.d.ts')
      const written = await run(['types', '--out', path], env)
      expect(written).toMatchObject({ code: 0, stdout: `  2 published templates: ${path}\n`, stderr: '' })
      expect(await readFile(path, 'utf8')).toBe(printed.stdout)
      expect(await compile(RIGHT)).toBe('')
      expect(await compile("template: 'welcome', data: { anything: 1 }")).toBe('')
      expect(await compile(RIGHT.replace('9.5', "'9.5'"))).toContain('price')
      expect(printed.stdout).not.toContain('draft')
    } finally {
      await api.close()
      await stop()
    }
  })
})
