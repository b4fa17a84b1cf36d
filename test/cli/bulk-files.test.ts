import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MODES } from '../support/house.ts'
import { bulkScene } from './bulk-scene.ts'
import { startCommand } from './command.ts'

const scene = bulkScene(MODES[0])

test('an import whose disk is full goes on once there is room, and has each refused row once in its reject file', async () => {
  const refused = Array.from({ length: 3000 }, (_, index) => `,Nobody number ${index}`)
  await writeFile(scene.file, ['email,name', ...refused, 'ada@example.com,Ada'].join('\n'))
  const full = await startCommand(scene.argsOf(), scene.env(), '', 64 * 1024).ended
  expect(full).toMatchObject({ code: 1, stderr: expect.stringContaining('The reject file cannot be written') })
  expect(full.stderr).toContain('the same command goes on')
  expect(await scene.bulk()).toMatchObject({ code: 3 })
  const found = await scene.rejects()
  expect(found.map(({ line, row }) => [Number(line), row])).toEqual(refused.map((row, index) => [index + 2, row]))
  expect(scene.recipients()).toEqual(['ada@example.com'])
})

describe('Where --rejects names the file of another import', () => {
  test('that has rows, the command ends with 2 and changes nothing; the import whose file it is may write over it', async () => {
    const shared = join(scene.folder, 'bad.csv')
    await writeFile(scene.file, 'email\nnobody\nada@example.com\n')
    expect(await scene.bulk('--rejects', shared)).toMatchObject({ code: 3 })
    const first = await readFile(shared, 'utf8')
    const earlier = scene.file
    scene.file = join(scene.folder, 'other.csv')
    await writeFile(scene.file, 'email\ngrace@example.com\n')
    expect(await scene.bulk('--rejects', shared)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('bad.csv has the refused rows of another import: move it'),
    })
    expect(await readFile(shared, 'utf8')).toBe(first)
    expect(scene.way.count('createBulkJob')).toBe(1)
    scene.file = earlier
    expect(await scene.bulk('--rejects', shared, '--again')).toMatchObject({ code: 3 })
    expect((await scene.rejects(shared)).map(({ line }) => line)).toEqual(['2'])
  })

  test('that this one wrote its rows into no longer, it says where they are', async () => {
    await writeFile(scene.file, `email,name\n${',one\n'.repeat(4000)}ada@example.com,Ada\n`)
    const command = startCommand(scene.argsOf(), scene.env())
    scene.way.onAnswer = async (operation) => {
      if (operation !== 'addBulkUsers') return
      scene.way.onAnswer = () => {}
      command.kill('SIGKILL')
      await command.ended
    }
    await command.ended
    expect(await scene.bulk('--rejects', join(scene.folder, 'new.csv'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('people.csv.rejects.csv: name that with --rejects'),
    })
    expect(await scene.bulk()).toMatchObject({ code: 3 })
    expect((await scene.rejects()).length).toBe(4000)
  })
})
