import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { document, MODES } from '../support/house.ts'
import { bulkScene } from './bulk-scene.ts'
import { type Ended, run } from './command.ts'

const scene = bulkScene(MODES[0])

test('where no socket comes through, a job is watched to its end by calls', async () => {
  await writeFile(scene.file, 'email\nada@example.com\n')
  scene.way.onSocket = () => void setImmediate(scene.way.cut)
  const { code, stdout, stderr } = await scene.bulk()
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('The connection was cut') })
  expect(stdout).toMatch(/ 1 {2}sent/)
})

test.each([
  ['one file', 'people.csv'],
  ['one reject file', 'other.csv'],
])('of two commands at once on %s the second ends with 2 and does nothing', async (_what, name) => {
  await writeFile(scene.file, 'email\nada@example.com\n')
  const other = join(scene.folder, name)
  await writeFile(other, 'email\nada@example.com\n')
  const shared = ['--rejects', join(scene.folder, 'bad.csv')]
  let second: Ended | null = null
  scene.way.onAnswer = async (operation) => {
    if (operation !== 'addBulkUsers') return
    scene.way.onAnswer = () => {}
    second = await run(['bulk', other, '--message', join(scene.folder, 'message.json'), ...shared], scene.env())
  }
  expect(await scene.bulk(...shared)).toMatchObject({ code: 0 })
  expect(second).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/Another command, process \d+, is at work on .*\.csv\./),
  })
  expect(scene.way.count('createBulkJob')).toBe(1)
  expect(scene.recipients()).toEqual(['ada@example.com'])
  expect((await readdir(scene.folder)).filter((one) => /\.(lock|new)/.test(one))).toEqual([])
})

describe('The same command, once its import is over,', () => {
  test('does not say of a canceled job that it was sent', async () => {
    await writeFile(scene.file, 'email\nada@example.com\n')
    scene.way.onAnswer = async (operation) => {
      if (operation !== 'addBulkUsers') return
      const { jobId } = JSON.parse(await readFile(`${scene.file}.carillon.json`, 'utf8'))
      await scene.home.client.send(document('mutation ($id: ID!) { cancelBulkJob(id: $id) { status } }'), { id: jobId })
    }
    expect(await scene.bulk()).toMatchObject({ code: 1, stdout: expect.stringContaining('is CANCELED') })
    const { code, stdout } = await scene.bulk()
    expect(code).toBe(1)
    expect(stdout).toMatch(/This was given to be sent, and canceled, as job job_\w+\. Nobody is sent to again; --again sends/)
    expect(stdout).not.toContain('sent already')
    expect(scene.recipients()).toEqual([])
  })

  test('says how its job stands now, not how it stood then', async () => {
    await writeFile(scene.file, 'email\nada@example.com\n')
    expect(await scene.bulk()).toMatchObject({ code: 0 })
    const kept = `${scene.file}.carillon.json`
    const state = JSON.parse(await readFile(kept, 'utf8'))
    await writeFile(kept, JSON.stringify({ ...state, outcome: { ...state.outcome, status: 'ERROR', error: 'Given up.' } }))
    const { code, stdout } = await scene.bulk()
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/This was sent already, [\s\S]* is COMPLETED\n/) })
    expect(scene.recipients()).toEqual(['ada@example.com'])
  })
})

describe('Where there is nobody to add, no job is made', () => {
  test('and a header alone ends with 0', async () => {
    await writeFile(scene.file, 'email,name\n')
    for (const ended of [await scene.bulk(), await scene.bulk()]) {
      expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('There is nobody to send to.') })
    }
    expect(await run(['bulk', '-', '--template', 'x'], { ...scene.env(), INIT_CWD: scene.folder }, 'email\n')).toMatchObject({
      code: 0,
    })
    expect(scene.way.count('createBulkJob')).toBe(0)
  })

  test('and rows that are refused end with 3, until a column is mapped that has somebody', async () => {
    await writeFile(scene.file, 'email,mail\n,ada@example.com\n,grace@example.com\n')
    for (const ended of [await scene.bulk(), await scene.bulk()]) {
      expect(ended).toMatchObject({ code: 3, stdout: expect.stringMatching(/ 2 {2}rejected[\s\S]*nobody to send to/) })
      expect((await scene.rejects()).map(({ line }) => line)).toEqual(['2', '3'])
    }
    expect(scene.way.count('createBulkJob')).toBe(0)
    expect(await scene.bulk('--ignore', 'email', '--map', 'email=mail')).toMatchObject({ code: 0 })
    expect(scene.recipients()).toEqual(['ada@example.com', 'grace@example.com'])
  })

  test('of standard input either, all of whose rows are in the reject file', async () => {
    const rejects = join(scene.folder, 'bad.csv')
    const args = ['bulk', '-', '--template', 'x', '--rejects', rejects]
    expect(await run(args, scene.env(), 'email,name\n,Ada\n,Grace\n')).toMatchObject({ code: 3 })
    expect((await scene.rejects(rejects)).map(({ line }) => line)).toEqual(['2', '3'])
    expect(scene.way.count('createBulkJob')).toBe(0)
  })
})

test.each<[string, readonly string[], Record<string, string>, string]>([
  ['a template that is not there', ['--template', 'none'], {}, "'none'"],
  ['a key that is no key', ['--template', 'x'], { CARILLON_ADMIN_KEY: 'ck_live_nope' }, 'CARILLON_ADMIN_KEY'],
  ['a key that is unknown', ['--template', 'x'], { CARILLON_ADMIN_KEY: `ck_live_${'a'.repeat(43)}` }, 'valid API key'],
  ['a job that is not there', ['--job', 'job_01a1ff7641ef73e9949b1682f66fdebf'], {}, 'has no job'],
])('%s is refused with 2, and leaves nothing behind', async (_what, args, env, words) => {
  await writeFile(scene.file, 'email\nada@example.com\n')
  const { code, stderr } = await run(['bulk', scene.file, ...args], { ...scene.env(), ...env })
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) })
  expect((await readdir(scene.folder)).toSorted()).toEqual(['message.json', 'people.csv'])
})

test('where something between takes no call as large, fewer are added by one, and who is too large alone is refused', async () => {
  const people = Array.from({ length: 100 }, (_, index) => `user${index}@example.com,Ada`)
  await writeFile(scene.file, ['email,name', ...people, `large@example.com,${'x'.repeat(3000)}`].join('\n'))
  scene.way.refuse = (operation, bytes) => (operation === 'addBulkUsers' && bytes > 2500 ? 413 : null)
  expect(await scene.bulk()).toMatchObject({ code: 3 })
  expect((await scene.rejects()).map(({ line, code }) => [line, code])).toEqual([['102', 'PAYLOAD_TOO_LARGE']])
  expect(scene.recipients().length).toBe(100)
})

test('a file as pandas or Excel write it, with a column that has no name, is sent', async () => {
  await writeFile(scene.file, ',email,name,\n0,ada@example.com,Ada,\n1,grace@example.com,Grace,\n')
  const { code, stderr } = await scene.bulk()
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('column 1 → left out') })
  expect(scene.recipients()).toEqual(['ada@example.com', 'grace@example.com'])
})

test('options for columns in another order are the same options', async () => {
  await writeFile(scene.file, 'mail,who,note\nada@example.com,Ada,x\n')
  const [mail, who, note] = [
    ['--map', 'email=mail'],
    ['--map', 'data.name=who'],
    ['--ignore', 'note'],
  ] as const
  expect(await scene.bulk(...mail, ...who, ...note)).toMatchObject({ code: 0 })
  const again = await scene.bulk(...note, ...who, ...mail)
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('sent already') })
})
