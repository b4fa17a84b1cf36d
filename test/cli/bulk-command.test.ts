import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sendBulk } from '../../src/cli/bulk.ts'

/** Nobody listens there. */
const ENV = { CARILLON_PUBLIC_URL: 'http://127.0.0.1:1', CARILLON_ADMIN_KEY: `ck_live_${'a'.repeat(43)}` }
const PEOPLE = 'email,name\nada@example.com,Ada\n,Nobody\ngrace@example.com,Grace\n'

async function bulk(
  args: readonly string[],
  input: string | Buffer = '',
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' }
  const into = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _encoding, done) {
        said[name] += String(chunk)
        done()
      },
    })
  const streams = { stdin: Readable.from([Buffer.from(input as string)]), stdout: into('stdout'), stderr: into('stderr') }
  return { code: await sendBulk(args, { ...ENV, ...env }, streams, new AbortController().signal), ...said }
}

let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-bulk-'))
  file = join(folder, 'people.csv')
})

afterEach(() => rm(folder, { recursive: true }))

test('bulk --help names every option', async () => {
  const { code, stdout } = await bulk(['--help'])
  expect(code).toBe(0)
  const options = 'message template data format delimiter map ignore rejects dry-run again job help'.split(' ')
  for (const option of options) expect(stdout).toContain(`--${option}`)
})

test('bulk --help and README say for how long what was sent is known without its state', async () => {
  const { stdout } = await bulk(['--help'])
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  for (const text of [stdout, readme]) {
    expect(text.replaceAll(/\s+/g, ' ')).toMatch(/under another name, or without that file,? [^.]*within 24 hours/i)
  }
})

test('--dry-run says where columns go, shows the first user, counts, and neither sends nor writes', async () => {
  await writeFile(file, PEOPLE)
  const { code, stdout, stderr } = await bulk([file, '--template', 'news', '--dry-run'])
  expect(code).toBe(3)
  expect(stderr).toContain('name → data.name')
  expect(stdout).toContain('"email": "ada@example.com"')
  expect(stdout).toMatch(/3 {2}read\n +2 {2}good\n +1 {2}rejected\n +1 {2}NO_ADDRESS/)
  expect(await readdir(folder)).toEqual(['people.csv'])
})

test('--dry-run reads standard input, and guesses its delimiter', async () => {
  const { code, stdout } = await bulk(['-', '--template', 'news', '--dry-run'], 'email;name\nada@example.com;"A; B"\n')
  expect(code).toBe(0)
  expect(stdout).toContain('"name": "A; B"')
})

test('relative paths begin where npm was called, which says so as INIT_CWD', async () => {
  await writeFile(file, PEOPLE)
  await writeFile(join(folder, 'news.json'), '{ "template": "news" }')
  const args = ['people.csv', '--message', 'news.json', '--dry-run']
  expect(await bulk(args, '', { INIT_CWD: folder })).toMatchObject({
    code: 3,
    stdout: expect.stringContaining('ada@example.com'),
  })
})

describe('Whatever a file has for names, what is said of it sends nothing to the terminal that is not text', () => {
  const name = '\x1b]0;owned\x07na\x1b[31mme\x9b2J\u202e'
  test.each<[string, string, string[]]>([
    ['where its columns go and what the first user would be', `email,${name}\na@b.co,${name}\n`, ['--dry-run']],
    ['why it is refused', `email,${name},${name}\n`, []],
    ['which options fit', 'email\n', ['--map', `userId=${name}`]],
  ])('%s', async (_what, content, args) => {
    await writeFile(file, content)
    const { stdout, stderr } = await bulk([file, '--template', 'news', ...args])
    expect(`${stdout}${stderr}`).toContain('owned')
    expect(`${stdout}${stderr}`.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u)
  })
})

describe('bulk ends with 2, and sends nothing, where', () => {
  test.each<[string, string | Buffer, string[], string]>([
    ['the file is empty', '', [], 'is empty'],
    ['the file is in UTF-16', Buffer.from('\ufeffemail\n', 'utf16le'), [], 'UTF-16'],
    ['the file is in UTF-16 without a mark', Buffer.from('email\n', 'utf16le'), [], 'UTF-16'],
    ['the file is compressed', gzipSync('email\nada@example.com\n'), [], 'compressed, by gzip'],
    ['the file is a workbook', Buffer.from('PK\x03\x04\x14\0\x06\0'), [], 'save the sheet as CSV'],
    ['lines of JSON are in UTF-16', Buffer.from('\ufeff{"email":"a@b.c"}\n', 'utf16le'), ['--format', 'jsonl'], 'UTF-16'],
    ['lines of JSON are compressed', gzipSync('{"email":"a@b.c"}\n'), ['--format', 'jsonl'], 'compressed, by gzip'],
    ['the data has a number that is too large', PEOPLE, ['--data', '{ "n": 1e400 }'], 'number that is too large'],
    ['rejects would go into a folder that is not there', PEOPLE, ['--rejects', 'none/bad.csv'], 'there is no folder'],
    ['the header is not UTF-8', Buffer.from('email,pr\xe9nom\n', 'latin1'), [], 'save the file as UTF-8'],
    ['its lines end in an old way', 'email\rada@example.com\r', [], 'carriage return'],
    ['no column is an address', 'name\nAda\n', [], 'No column leads to a recipient'],
    ['a column stands twice', 'email,name,name\n', [], "two columns called 'name'"],
    ['the quoting of the header is broken', '"email,name\n', [], 'header cannot be read'],
    ['a column is mapped that is not there', PEOPLE, ['--map', 'email=Mail'], "no column 'Mail'"],
    ['an option is unknown', PEOPLE, ['--fast'], 'There is no option --fast; --help lists them.'],
    ['the format is unknown', PEOPLE, ['--format', 'xlsx'], 'xlsx'],
    ['a message is given twice', PEOPLE, ['--message', 'x.json'], 'not both'],
    ['rejects would go into the file itself', PEOPLE, ['--rejects', 'people.csv'], 'the file itself'],
  ])('%s', async (_what, content, args, words) => {
    await writeFile(file, content)
    const given = args.map((arg) => (/\.csv$/.test(arg) ? join(folder, arg) : arg))
    const { code, stdout, stderr } = await bulk([file, '--template', 'news', ...given])
    expect(stderr).toContain(words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(await readdir(folder)).toEqual(['people.csv'])
  })

  test.each<[string, string[], string]>([
    ['no file is named', ['--template', 'news'], 'Name one file'],
    ['the file is not there', ['none.csv', '--template', 'news'], 'The file cannot be read: there is no none.csv.'],
    ['nothing is said of the message', ['none.csv'], 'Say what to send'],
    ['the message is not there', ['none.csv', '--message', 'none.json'], 'The message cannot be read: there is no none.json.'],
    ['the data is no JSON', ['none.csv', '--template', 'news', '--data', '{'], '--data is no JSON'],
    ['the data is of nothing', ['none.csv', '--job', 'x', '--data', '{}'], 'of a --template'],
  ])('%s', async (_what, args, words) => {
    expect(await bulk(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) })
  })

  test('the file of rejects is no file', async () => {
    await writeFile(file, PEOPLE)
    const pipe = join(folder, 'pipe')
    spawnSync('mkfifo', [pipe])
    for (const path of [pipe, folder]) {
      expect(await bulk([file, '--template', 'news', '--rejects', path])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`The reject file cannot be written: ${path} is no file.`),
      })
    }
  })

  test('how far it is cannot be kept', async () => {
    file = join(folder, `${'x'.repeat(240)}.csv`)
    await writeFile(file, PEOPLE)
    const rejects = join(folder, 'bad.csv')
    expect(await bulk([file, '--template', 'news', '--rejects', rejects])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('How far the import is cannot be written'),
    })
    expect(await readdir(folder)).toEqual([basename(file)])
  })

  test('the file of rejects is something else', async () => {
    await writeFile(file, PEOPLE)
    await writeFile(join(folder, 'mine.csv'), 'dear,to,me\n')
    const args = [file, '--template', 'news', '--rejects', join(folder, 'mine.csv')]
    expect(await bulk(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('is not the reject file') })
  })
})
