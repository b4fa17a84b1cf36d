import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { type House, house, type MODES } from '../support/house.ts'
import { type RejectedRow, rejectedIn } from './bulk-people.ts'
import { openWay, type Way } from './bulk-way.ts'
import { type Ended, run } from './command.ts'

/** A house, the way to it, and a folder of one's own with a message in it; anew for each test but for the house. */
export interface Scene {
  readonly home: House
  readonly way: Way
  readonly folder: string
  /** What is imported. */
  file: string
  env(): Record<string, string>
  argsOf(...more: readonly string[]): string[]
  bulk(...more: readonly string[]): Promise<Ended>
  rejects(path?: string): Promise<readonly RejectedRow[]>
  /** Who got a message, sorted, once for each. */
  recipients(): string[]
}

export function bulkScene(mode: (typeof MODES)[number]): Scene {
  let home: House
  let way: Way
  let folder: string
  const scene: Scene = {
    get home() {
      return home
    },
    get way() {
      return way
    },
    get folder() {
      return folder
    },
    file: '',
    env: () => ({ CARILLON_PUBLIC_URL: way.url, CARILLON_ADMIN_KEY: home.adminKey }),
    argsOf: (...more) => ['bulk', scene.file, '--message', join(folder, 'message.json'), ...more],
    bulk: (...more) => run(scene.argsOf(...more), scene.env()),
    rejects: async (path = `${scene.file}.rejects.csv`) => rejectedIn(await readFile(path, 'utf8')),
    recipients: () => home.smtp.mails.flatMap((mail) => mail.recipients).sort(),
  }
  beforeAll(async () => {
    home = await house({ mode })
  })
  afterAll(() => home.stop())
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-bulk-'))
    scene.file = join(folder, 'people.csv')
    await writeFile(join(folder, 'message.json'), JSON.stringify({ content: { title: 'News', body: 'Hello {{name}}' } }))
    way = await openWay(home.urls[0]!)
    home.smtp.mails.length = 0
  })
  afterEach(async () => {
    await way.close()
    await rm(folder, { recursive: true })
  })
  return scene
}
