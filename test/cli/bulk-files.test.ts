import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
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
