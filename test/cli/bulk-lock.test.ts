import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UsageError } from '../../src/cli/bulk-flaw.ts'
import { lockFile } from '../../src/cli/bulk-lock.ts'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-lock-'))
  path = join(folder, 'people.csv')
})
afterEach(() => rm(folder, { recursive: true }))

const lock = () => lockFile(path, 'The import')

describe('A file that is locked', () => {
  test('names who holds it, and is let go without a trace', async () => {
    const release = await lock()
    expect(await readFile(`${path}.lock`, 'utf8')).toBe(String(process.pid))
    await release()
    expect(await readdir(folder)).toEqual([])
  })

  test('by a process that runs is refused, with its number', async () => {
    const other = spawn('sleep', ['60'])
    await writeFile(`${path}.lock`, String(other.pid))
    await expect(lock()).rejects.toThrow(`process ${other.pid}, is at work on ${path}`)
    expect(await readFile(`${path}.lock`, 'utf8')).toBe(String(other.pid))
    other.kill()
    await once(other, 'exit')
    await (await lock())()
  })

  test('is not held by a process that is gone, by one of our own number before us, or by nobody', async () => {
    const { pid } = spawnSync('true')
    for (const holder of [String(pid), String(process.pid), '']) {
      await writeFile(`${path}.lock`, holder)
      const release = await lock()
      expect(await readdir(folder)).toEqual(['people.csv.lock'])
      await release()
    }
  })

  test('with words that are no number is left alone', async () => {
    await writeFile(`${path}.lock`, 'mine')
    await expect(lock()).rejects.toThrow(UsageError)
    expect(await readFile(`${path}.lock`, 'utf8')).toBe('mine')
  })

  test('in a folder that is not there is refused', async () => {
    path = join(folder, 'none', 'people.csv')
    await expect(lock()).rejects.toThrow(`The import cannot be written: there is no folder ${join(folder, 'none')}.`)
  })
})
