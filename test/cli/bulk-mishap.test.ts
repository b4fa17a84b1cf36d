import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MODES } from '../support/house.ts'
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
