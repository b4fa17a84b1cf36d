import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, type CreateApiKeyInput, PutEnvironmentDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Brand {
  readonly id: string
  readonly name: string
  readonly settings: Record<string, unknown>
  readonly snippets: readonly { readonly name: string; readonly value: string }[]
  readonly createdAt: string
  readonly updatedAt: string
}

const FIELDS = `id name snippets { name value } createdAt updatedAt
  settings { colors { primary secondary tertiary } logo { url href alt } email { header footer layout } theme }`
const PutBrand = document<{ putBrand: Brand }>(
  `mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { ${FIELDS} } }`,
)
const GetBrand = document<{ brand: Brand | null }>(`query ($id: ID!) { brand(id: $id) { ${FIELDS} } }`)
const Brands = document<{ brands: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } }>(
  'query ($first: Int, $after: String) { brands(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }',
)
const DeleteBrand = document<{ deleteBrand: boolean }>('mutation ($id: ID!) { deleteBrand(id: $id) }')
const PutTenant = document('mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id brand { id } } }')

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const put = (id: string, input: Record<string, unknown>, client: Client = home.client) =>
      client.send(PutBrand, { id, input: { name: id, ...input } })
    const get = async (id: string, client: Client = home.client) => dataOf(await client.send(GetBrand, { id })).brand
    const remove = async (id: string, client: Client = home.client) => client.send(DeleteBrand, { id })

    const whole = {
      name: 'Acme',
      settings: {
        colors: { primary: '#0a7', secondary: '#112233', tertiary: 'navy' },
        logo: { url: 'https://acme.example/logo.png', href: 'http://acme.example/?a=1&b=2', alt: 'The "Acme" logo' },
        email: {
          header: 'News',
          footer: 'For {{profile.name}} {{> imprint}}',
          layout: '<mjml><mj-body>{{content}}</mj-body></mjml>',
        },
        theme: { '--accent': '#0a7', '--font': '"Inter", sans-serif', '--edge': 'calc(1px + (2px))' },
      },
      snippets: [
        { name: 'imprint', value: 'Acme Ltd {{> town}}' },
        { name: 'town', value: 'Bremen' },
      ],
    }

    test('A brand is kept whole, and another put leaves nothing of the one before', async () => {
      const { createdAt, updatedAt, ...made } = dataOf(await put('acme', whole)).putBrand
      expect(made).toEqual({ id: 'acme', ...whole })
      expect(await get('acme')).toEqual({ ...made, createdAt, updatedAt })
      const again = dataOf(await put('acme', { name: 'Acme 2' })).putBrand
      expect(again).toMatchObject({
        name: 'Acme 2',
        settings: { colors: null, logo: null, email: null, theme: null },
        snippets: [],
        createdAt,
      })
      expect(again.updatedAt >= updatedAt).toBe(true)
    })

    test('Nothing but a colour gets in where a colour stands, and only web addresses where an address does', async () => {
      const refused: [string, Record<string, unknown>][] = [
        ...['red;x:y', '#12', 'rgb(1,2,3)', 'url(x)', 'expression(1)', ''].map((primary): [string, Record<string, unknown>] => [
          'input.settings.colors.primary',
          { colors: { primary } },
        ]),
        ...[
          'javascript:alert(1)',
          'data:image/png;base64,x',
          'logo.png',
          'https://a.example/"x',
          ' https://a.example',
          'ftp://a.b/c',
        ].map((url): [string, Record<string, unknown>] => ['input.settings.logo.url', { logo: { url } }]),
        ['input.settings.logo.href', { logo: { url: 'https://a.example/', href: 'JaVaScRiPt:alert(1)' } }],
        ['input.settings.logo.href', { logo: { url: 'https://a.example/', href: 'https://user:pass@a.example/' } }],
        ['input.settings.logo.alt', { logo: { url: 'https://a.example/', alt: 'x'.repeat(300) } }],
        ...['x'.repeat(300_000), '<p>{{content}}</p>', '<mjml><mj-body></mj-body></mjml>'].map(
          (layout): [string, Record<string, unknown>] => ['input.settings.email.layout', { email: { layout } }],
        ),
      ]
      for (const [path, settings] of refused) {
        expect(refusalOf(await put('refused', { settings })), JSON.stringify(settings).slice(0, 80)).toEqual({
          code: 'BAD_USER_INPUT',
          path,
        })
      }
      expect(await get('refused')).toBeNull()
    })

    test('A theme holds CSS custom properties that cannot end their declaration', async () => {
      const themes = [{ accent: '#0a7' }, { '--': 'x' }, { '--a b': 'x' }, { '--x': 1 }, { '--x': '' }]
      const values = ['a;b', 'a}b', '{', '</style>', 'a\\3b', 'a/*', '"open', "it's", 'calc(1px', 'a\nb', 'x'.repeat(257)]
      for (const theme of [...themes, ...values.map((value) => ({ '--x': value }))]) {
        const [key] = Object.keys(theme)
        expect(refusalOf(await put('refused', { settings: { theme } })), JSON.stringify(theme)).toEqual({
          code: 'BAD_USER_INPUT',
          path: `input.settings.theme.${key}`,
        })
      }
    })

    test('Header, footer and snippets that are no templates are refused with their line', async () => {
      const bad = 'fine\n{{nonsense "x"}}'
      for (const name of ['header', 'footer']) {
        const answer = await put('refused', { settings: { email: { [name]: bad } } })
        expect(refusalOf(answer)).toEqual({ code: 'BAD_USER_INPUT', path: `input.settings.email.${name}` })
        expect(answer.errors[0]!.message).toContain('Line 2')
      }
      const answer = await put('refused', {
        snippets: [
          { name: 'ok', value: 'x' },
          { name: 'bad', value: bad },
        ],
      })
      expect(refusalOf(answer)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.snippets.1.value' })
    })

    test('The texts of a brand may hold 5,000 names together', async () => {
      const full = {
        settings: { email: { header: '{{x}}'.repeat(2_500) } },
        snippets: [{ name: 'a', value: '{{x}}'.repeat(2_501) }],
      }
      expect(refusalOf(await put('refused', full))).toEqual({ code: 'BAD_USER_INPUT', path: 'input.snippets.0.value' })
    })

    test('Snippets have names of their own, which begin with a letter, and do not bring in themselves', async () => {
      const named = (...names: string[]) => ({ snippets: names.map((name) => ({ name, value: 'x' })) })
      for (const name of ['', '1a', 'a b', 'a.b', '@partial-block', '__proto__', '{{a}}', 'x'.repeat(65)]) {
        expect(refusalOf(await put('refused', named(name))), name).toEqual({
          code: 'BAD_USER_INPUT',
          path: 'input.snippets.0.name',
        })
      }
      expect(refusalOf(await put('refused', named('a', 'b', 'a')))).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.snippets.2.name',
      })
      const round = await put('refused', {
        snippets: [
          { name: 'a', value: '{{> b}}' },
          { name: 'b', value: '{{> a}}' },
        ],
      })
      expect(refusalOf(round)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.snippets' })
      expect(round.errors[0]!.message).toContain('a > b > a')
    })

    test('A deleted brand is gone, and deleting it again answers false', async () => {
      dataOf(await put('short-lived', {}))
      expect(dataOf(await remove('short-lived')).deleteBrand).toBe(true)
      expect(await get('short-lived')).toBeNull()
      expect(dataOf(await remove('short-lived')).deleteBrand).toBe(false)
    })

    test('The default brand can be replaced but not deleted', async () => {
      expect(dataOf(await remove('default')).deleteBrand).toBe(false)
      dataOf(await put('default', {}))
      const answer = await remove('default')
      expect(refusalOf(answer).code).toBe('CONFLICT')
      expect(answer.errors[0]!.message).toMatch(/holds where no other does/)
      expect(dataOf(await put('default', { name: 'Everybody' })).putBrand.name).toBe('Everybody')
    })

    test('A brand that a tenant has cannot be deleted until the tenant has another', async () => {
      dataOf(await put('of-a-tenant', {}))
      dataOf(await home.client.send(PutTenant, { id: 'north', input: { name: 'North', brandId: 'of-a-tenant' } }))
      const answer = await remove('of-a-tenant')
      expect(refusalOf(answer).code).toBe('CONFLICT')
      expect(answer.errors[0]!.message).toContain("'north'")
      dataOf(await home.client.send(PutTenant, { id: 'north', input: { name: 'North' } }))
      expect(dataOf(await remove('of-a-tenant')).deleteBrand).toBe(true)
    })

    test('Brands are listed in pages, in the order of their ids', async () => {
      for (const id of ['page-b', 'page-a', 'page-c']) dataOf(await put(id, {}))
      const seen: string[] = []
      let after: string | null = null
      for (let more = true; more; ) {
        const { brands }: { brands: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } } =
          dataOf(await home.client.send(Brands, { first: 2, after }))
        seen.push(...brands.nodes.map(({ id }) => id))
        after = brands.pageInfo.endCursor
        more = brands.pageInfo.hasNextPage
      }
      expect(seen.filter((id) => id.startsWith('page-'))).toEqual(['page-a', 'page-b', 'page-c'])
      expect(new Set(seen).size).toBe(seen.length)
    })

    test('A key that only reads may not put, and another environment has brands of its own', async () => {
      dataOf(await put('acme', whole))
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'other', input: { name: 'Other' } }))
      const keyFor = async (input: CreateApiKeyInput) =>
        home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
      const reader = await keyFor({ name: 'reader', scopes: ['CONTENT_READ'] })
      expect((await get('acme', reader))?.name).toBe('Acme')
      expect(refusalOf(await put('acme', {}, reader)).code).toBe('FORBIDDEN')
      expect(refusalOf(await remove('acme', reader)).code).toBe('FORBIDDEN')
      const other = await keyFor({ name: 'other', scopes: ['ADMIN'], environmentId: 'other' })
      expect(await get('acme', other)).toBeNull()
      expect(dataOf(await remove('acme', other)).deleteBrand).toBe(false)
      dataOf(await put('acme', { name: 'Theirs' }, other))
      expect((await get('acme'))?.name).toBe('Acme')
    })
  })
}
