import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createProviders } from '../src/channels/index.ts'
import { settingsSchema } from '../src/channels/provider.ts'
import { settingsTable } from '../src/config.ts'

const ROOT = new URL('../', import.meta.url)
const PAGES = ['README.md', 'CONTRIBUTING.md'] as const

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

describe.each(PAGES)('%s', (page) => {
  const text = read(page)
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

  test('names only scripts that exist', () => {
    const named = [...text.matchAll(/\bnpm run ([a-z:]+)/g)].map(([, name]) => name!)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('links only to files and headings that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)]
    const broken = links.filter(([, path, anchor]) => {
      const target = path === '' ? page : path!
      return !existsSync(new URL(target, ROOT)) || (anchor !== undefined && !anchorsOf(read(target)).includes(anchor))
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
