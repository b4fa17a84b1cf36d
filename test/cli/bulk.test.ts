import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type House, house, MODES } from '../support/house.ts'
import { scaled } from '../support/scale.ts'
import { makePeople, rejectedIn } from './bulk-people.ts'
import { openWay, type Way } from './bulk-way.ts'
import { type Ended, run, startCommand } from './command.ts'

const MESSAGE = { content: { title: 'News', body: 'Hello {{name}}' } }
const PATIENCE_MS = scaled(120_000, 1_800_000)

/** What is about the command alone is told in the one mode. */
const [ALONE] = MODES

describe.each(MODES)('The command line, %s', (mode) => {
  let home: House
  let way: Way
  let folder: string
  let file: string

  beforeAll(async () => {
    home = await house({ mode })
  })
  afterAll(() => home.stop())

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-bulk-'))
    file = join(folder, 'people.csv')
    await writeFile(join(folder, 'message.json'), JSON.stringify(MESSAGE))
    way = await openWay(home.urls[0]!)
    home.smtp.mails.length = 0
  })
  afterEach(async () => {
    await way.close()
    await rm(folder, { recursive: true })
  })

  const env = () => ({ CARILLON_PUBLIC_URL: way.url, CARILLON_ADMIN_KEY: home.adminKey })
  const argsOf = (...more: readonly string[]) => ['bulk', file, '--message', join(folder, 'message.json'), ...more]
  const bulk = (...more: readonly string[]) => run(argsOf(...more), env())
  const rejects = async () => rejectedIn(await readFile(`${file}.rejects.csv`, 'utf8'))
  const recipients = () => home.smtp.mails.flatMap((mail) => mail.recipients).sort()

  /** Starts it, and kills it when `when` says so. Whether it was killed. */
  async function killed(arrange: (kill: () => void) => Promise<void> | void): Promise<boolean> {
    const command = startCommand(argsOf(), env())
    await arrange(() => void command.kill('SIGKILL'))
    const { code } = await command.ended
    way.onAnswer = () => {}
    return code === null
  }

  test(
    'a file with all kinds of bad rows, whose import is killed in mid-ingest and in mid-send, gets everyone valid one message, and everyone else is in the reject file',
    async () => {
      const people = makePeople(scaled(2050, 50_000))
      await writeFile(file, people.file)
      for (const at of [1, 2, scaled(2, 20)]) {
        const before = way.count('addBulkUsers')
        const wasKilled = await killed((kill) => {
          way.onAnswer = async (operation, count) => {
            if (operation !== 'addBulkUsers' || count - before !== at) return
            kill()
            await new Promise(() => {})
          }
        })
        expect(wasKilled).toBe(true)
      }
      const inMidSend = await killed(async (kill) => {
        await expect.poll(() => home.smtp.mails.length, { timeout: PATIENCE_MS }).toBeGreaterThan(people.valid.length / 10)
        kill()
      })
      expect(inMidSend).toBe(true)
      const ended = await bulk()
      expect(ended.stderr).not.toMatch(/Trying again/)
      expect(ended.code).toBe(3)
      expect(way.count('createBulkJob')).toBe(1)
      const found = await rejects()
      expect(found.map(({ line, code }) => [Number(line), code])).toEqual([...people.refused])
      expect(found.every(({ reason, row }) => reason !== '' && row !== '')).toBe(true)
      expect(recipients()).toEqual(people.valid.toSorted())
      expect(numbersIn(ended)).toMatchObject({
        read: people.valid.length + people.refused.size,
        added: people.valid.length,
        rejected: people.refused.size,
        sent: people.valid.length,
      })
    },
    PATIENCE_MS,
  )

  test.runIf(mode === ALONE)('a finished import says so and sends nothing; with --again it sends to everybody anew', async () => {
    await writeFile(file, 'email,name\nada@example.com,Ada\ngrace@example.com,Grace\n')
    expect(await bulk()).toMatchObject({ code: 0 })
    expect(existsSync(`${file}.rejects.csv`)).toBe(false)
    const again = await bulk()
    expect(again).toMatchObject({ code: 0 })
    expect(again.stdout).toContain('sent already')
    expect(recipients()).toEqual(['ada@example.com', 'grace@example.com'])
    expect(await bulk('--again')).toMatchObject({ code: 0 })
    expect(recipients().length).toBe(4)
    expect(home.smtp.mails.some(({ source }) => source.includes('Hello Ada'))).toBe(true)
  })

  test.runIf(mode === ALONE)('a message that the server refuses can be put right', async () => {
    await writeFile(file, 'email\nada@example.com\n')
    await writeFile(join(folder, 'message.json'), '{ "template": "none" }')
    expect(await bulk()).toMatchObject({ code: 2, stderr: expect.stringContaining("'none'") })
    await writeFile(join(folder, 'message.json'), JSON.stringify(MESSAGE))
    expect(await bulk()).toMatchObject({ code: 0 })
    expect(recipients()).toEqual(['ada@example.com'])
  })

  test.runIf(mode === ALONE)('a file without anybody to send to makes no message', async () => {
    await writeFile(file, 'email\nnobody\n')
    expect(await bulk()).toMatchObject({ code: 3, stdout: expect.stringContaining('nobody to send to') })
    expect(await bulk()).toMatchObject({ code: 3 })
    expect((await rejects()).map(({ line }) => line)).toEqual(['2'])
  })

  test.runIf(mode === ALONE)('an import whose state was lost is known to the server, and sends to nobody again', async () => {
    await writeFile(file, 'email\nada@example.com\n')
    expect(await bulk()).toMatchObject({ code: 0 })
    await rm(`${file}.carillon.json`)
    expect(await bulk()).toMatchObject({ code: 0 })
    expect(recipients()).toEqual(['ada@example.com'])
  })

  test.runIf(mode === ALONE)(
    'the same content with the same message is sent once within 24 hours, whatever the file is called',
    async () => {
      await writeFile(file, 'email\nada@example.com\n')
      expect(await bulk()).toMatchObject({ code: 0 })
      file = join(folder, 'copy.csv')
      await writeFile(file, 'email\nada@example.com\n')
      const { code, stdout, stderr } = await bulk()
      expect(code).toBe(0)
      expect(stderr).toMatch(/was sent already, as job job_\w+\. Nobody is sent to again; --again sends to everybody anew/)
      expect(stderr).not.toContain('Sending')
      expect(stdout).not.toMatch(/ read| added| rejected/)
      expect(stdout).toMatch(/ 1 {2}sent/)
      expect(recipients()).toEqual(['ada@example.com'])
      expect(await bulk('--again')).toMatchObject({ code: 0 })
      expect(recipients()).toEqual(['ada@example.com', 'ada@example.com'])
    },
  )

  test.runIf(mode === ALONE)(
    'a file that has changed, or another message, is not taken for the import that was begun',
    async () => {
      await writeFile(file, 'email\nada@example.com\n')
      await bulk()
      expect(await bulk('--map', 'userId=email')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('the options for columns differ'),
      })
      await writeFile(file, 'email\nada@example.com\ngrace@example.com\n')
      const changed = await bulk()
      expect(changed).toMatchObject({ code: 2, stderr: expect.stringContaining('the file has changed') })
      expect(changed.stderr).toContain(`delete ${file}.carillon.json`)
      expect(changed.stderr).not.toContain('--again')
      expect(recipients()).toEqual(['ada@example.com'])
    },
  )

  test.runIf(mode === ALONE)('a server that is away for a while, and a connection that is cut, are waited out', async () => {
    await writeFile(file, 'email\nada@example.com\ngrace@example.com\n')
    const refusals = ['createBulkJob', 'addBulkUsers', 'runBulkJob', 'bulkJob'].map((name) => ({ name, left: 1 }))
    way.refuse = (operation) => {
      const refusal = refusals.find(({ name, left }) => name === operation && left > 0)
      if (refusal === undefined) return null
      refusal.left -= 1
      return 502
    }
    let cuts = 1
    way.onSocket = () => {
      if (cuts-- > 0) setImmediate(way.cut)
    }
    const { code, stderr } = await bulk()
    expect(code).toBe(0)
    expect(stderr).toContain('Trying again')
    expect(recipients()).toEqual(['ada@example.com', 'grace@example.com'])
  })

  test.runIf(mode === ALONE)(
    'JSON Lines may be users, recipients or flat objects, and what the server cannot read of one is said of it alone',
    async () => {
      file = join(folder, 'people.jsonl')
      const lines = [
        '{ "to": { "email": "ada@example.com", "data": { "name": "Ada" } } }',
        '{ "email": "grace@example.com", "timezone": "Europe/Brussels" }',
        '{ "mail": "mary@example.com", "name": "Mary", "age": 5 }',
        '{ "mail": "broken@example.com"',
        '[]',
        '{ "name": "Nobody" }',
        '{ "to": { "email": "unknown@example.com", "unknown": 1 } }',
        '{ "email": 5 }',
        '{ "listId": "news" }',
      ]
      await writeFile(file, lines.join('\n'))
      const { code, stderr } = await bulk('--map', 'email=mail')
      expect(stderr).not.toContain('Trying again')
      expect(code).toBe(3)
      expect((await rejects()).map(({ line, code, row }) => [line, code, row])).toEqual([
        ['4', 'NOT_JSON', lines[3]],
        ['5', 'NOT_AN_OBJECT', lines[4]],
        ['6', 'NO_ADDRESS', lines[5]],
        ['7', 'BAD_USER_INPUT', lines[6]],
        ['8', 'BAD_USER_INPUT', lines[7]],
        ['9', 'BAD_USER_INPUT', lines[8]],
      ])
      expect(recipients()).toEqual(['ada@example.com', 'grace@example.com', 'mary@example.com'])
      expect(home.smtp.mails.some(({ source }) => source.includes('Hello Mary'))).toBe(true)
    },
  )

  test.runIf(mode === ALONE)('a row with what the server cannot keep is refused alone, and costs no other call', async () => {
    file = join(folder, 'people.jsonl')
    const rowOf = (email: string, more: string) => `{ "email": "${email}@example.com", ${more} }`
    const lines = [
      rowOf('ada', '"name": "Ada"'),
      rowOf('nul', '"name": "a\\u0000b"'),
      rowOf('long', '"number": 12345678901234567890'),
      rowOf('grace', '"name": "Grace"'),
      rowOf('mars', '"timezone": "Mars/Base"'),
      rowOf('many', `"items": [${Array(10_001).fill(0)}]`),
    ]
    await writeFile(file, lines.join('\n'))
    expect(await bulk()).toMatchObject({ code: 3 })
    expect((await rejects()).map(({ line, code, reason }) => [line, code, reason.split("'")[1]])).toEqual([
      ['2', 'BAD_USER_INPUT', 'to.data.name'],
      ['3', 'BAD_USER_INPUT', 'to.data.number'],
      ['5', 'BAD_USER_INPUT', 'timezone'],
      ['6', 'BAD_USER_INPUT', 'to.data.items'],
    ])
    expect(way.count('addBulkUsers')).toBe(1)
    expect(recipients()).toEqual(['ada@example.com', 'grace@example.com'])
  })

  test.runIf(mode === ALONE)('a row that makes a call one that GraphQL or HTTP refuses is found, and refused alone', async () => {
    file = join(folder, 'people.jsonl')
    const deep = `${'{"a":'.repeat(70)}1${'}'.repeat(70)}`
    const lines = ['{ "email": "ada@example.com" }', '{ "email": "text@example.com", "data": "text" }']
    await writeFile(
      file,
      [...lines, `{ "email": "deep@example.com", "data": ${deep} }`, '{ "email": "grace@example.com" }'].join('\n'),
    )
    expect(await bulk()).toMatchObject({ code: 3 })
    expect((await rejects()).map(({ line, code }) => [line, code])).toEqual([
      ['2', 'BAD_USER_INPUT'],
      ['3', 'BAD_USER_INPUT'],
    ])
    expect(recipients()).toEqual(['ada@example.com', 'grace@example.com'])
  })

  test.runIf(mode === ALONE)('standard input goes on with --job, and repeats nobody', async () => {
    const args = ['bulk', '-', '--template', 'none', '--rejects', `${file}.rejects.csv`]
    expect(await run(args, env(), 'email\nada@example.com\n')).toMatchObject({ code: 2, stderr: expect.stringContaining('none') })
    const { createBulkJob } = await made(home)
    const more = ['bulk', '-', '--job', createBulkJob.id, '--rejects', `${file}.rejects.csv`]
    const command = startCommand(more, env(), 'email\nada@example.com\nada@example.com\ngrace@example.com\n')
    way.onAnswer = async (operation) => {
      if (operation !== 'addBulkUsers') return
      command.kill('SIGKILL')
      await command.ended
      way.onAnswer = () => {}
    }
    await command.ended
    expect(await run(more, env(), 'email\nada@example.com\nada@example.com\ngrace@example.com\n')).toMatchObject({ code: 3 })
    expect((await rejects()).map(({ line, code }) => [line, code])).toEqual([['3', 'DUPLICATE_USER']])
    expect(recipients()).toEqual(['ada@example.com', 'grace@example.com'])
  })

  test.runIf(mode === ALONE)(
    'of two rows with one phone number the first counts, however they are written and whichever call is answered first',
    async () => {
      const rows = ['phoneNumber,name', '+4915112345678,Ada', ...Array<string>(999).fill(',Nobody'), '+49 (0)151 1234-5678,Again']
      await writeFile(file, rows.join('\n'))
      let refusals = 1
      way.refuse = (operation) => (operation === 'addBulkUsers' && refusals-- > 0 ? 502 : null)
      expect(await bulk()).toMatchObject({ code: 3 })
      const twice = (await rejects()).filter(({ code }) => code === 'DUPLICATE_USER')
      expect(twice.map(({ line }) => line)).toEqual(['1002'])
    },
  )

  test.runIf(mode === ALONE)('Ctrl-C stops it, and the same command goes on', async () => {
    const people = makePeople(40)
    await writeFile(file, people.file)
    const command = startCommand(argsOf(), env())
    way.onAnswer = (operation) => void (operation === 'addBulkUsers' && command.kill('SIGINT'))
    const stopped = await command.ended
    expect(stopped).toMatchObject({ code: 1, stderr: expect.stringContaining('The same command goes on') })
    way.onAnswer = () => {}
    await bulk()
    expect(recipients()).toEqual(people.valid.toSorted())
    expect((await rejects()).map(({ line }) => Number(line))).toEqual([...people.refused.keys()])
  })

  test.runIf(mode === ALONE)('Ctrl-C while it is sent tells that the server goes on, and how to stop it', async () => {
    await writeFile(file, 'email\nada@example.com\n')
    const command = startCommand(argsOf(), env())
    way.onAnswer = (operation) => void (operation === 'runBulkJob' && command.kill('SIGINT'))
    const { code, stderr } = await command.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /The server goes on sending job (job_\w+); cancelBulkJob\(id: "\1"\) stops it; the same command watches on/,
    )
    way.onAnswer = () => {}
    expect(await bulk()).toMatchObject({ code: 0 })
    expect(recipients()).toEqual(['ada@example.com'])
  })

  test.runIf(mode === ALONE)('what it keeps of people is for nobody but their owner to read', async () => {
    await writeFile(file, 'email\nada@example.com\nnobody\n')
    expect(await bulk()).toMatchObject({ code: 3 })
    for (const kept of [`${file}.carillon.json`, `${file}.rejects.csv`]) expect((await stat(kept)).mode & 0o777).toBe(0o600)
  })

  test.runIf(mode === ALONE)('the key is in nothing that it says or keeps', async () => {
    await writeFile(file, 'email\nada@example.com\n')
    const { stdout, stderr } = await bulk()
    const kept = await readFile(`${file}.carillon.json`, 'utf8')
    expect(`${stdout}${stderr}${kept}`).not.toContain(home.adminKey)
  })
})

/** The counts of a summary by their names. */
function numbersIn({ stdout }: Ended): Record<string, number> {
  const counts = stdout.matchAll(/^ *([\d,]+) {2}(\w+)$/gm)
  return Object.fromEntries([...counts].map(([, count, name]) => [name, Number(count!.replaceAll(',', ''))]))
}

async function made(home: House): Promise<{ createBulkJob: { id: string } }> {
  const response = await fetch(`${home.urls[0]}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${home.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      query: 'mutation ($input: CreateBulkJobInput!) { createBulkJob(input: $input) { id } }',
      variables: { input: { message: MESSAGE } },
    }),
  })
  const { data } = (await response.json()) as { data: { createBulkJob: { id: string } } }
  return data
}
