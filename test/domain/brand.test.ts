import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { brandOf, chooseBrand } from '../../src/domain/brand.ts'
import type { BrandRow } from '../../src/store/brand.ts'

const everyBrand = () => true
const row = (id: string, snippets: Readonly<Record<string, string>>, settings = {}): BrandRow => ({
  environmentId: 'production',
  id,
  name: id.toUpperCase(),
  settings,
  snippets: Object.entries(snippets).map(([name, value]) => ({ name, value })),
})

describe('The brand of a message', () => {
  const all = { message: 'm', tenants: ['leaf', null, 'root'], template: 't' }

  test('is its own, else that of the nearest tenant, else that of its template, else the default', () => {
    expect(chooseBrand(all, everyBrand)).toBe('m')
    expect(chooseBrand({ ...all, message: null }, everyBrand)).toBe('leaf')
    expect(chooseBrand({ ...all, message: null, tenants: [null, 'root'] }, everyBrand)).toBe('root')
    expect(chooseBrand({ ...all, message: null, tenants: [] }, everyBrand)).toBe('t')
    expect(chooseBrand({ message: null, tenants: [], template: null }, everyBrand)).toBe('default')
  })

  test('is the next one where one is gone, and none where all are', () => {
    const ids = [all.message, ...all.tenants, all.template, 'default'].filter((id) => id !== null)
    fc.assert(
      fc.property(fc.subarray(ids), (there) => {
        expect(chooseBrand(all, (id) => there.includes(id))).toBe(ids.find((id) => there.includes(id)) ?? null)
      }),
    )
  })
})

describe('A brand', () => {
  test('sees the snippets of the default brand, unless it has one of that name, and none of its settings', () => {
    const own = row('acme', { sign: 'Acme', extra: 'E' })
    const fallback = row('default', { sign: 'Everybody', legal: 'L' }, { colors: { primary: 'red' } })
    const brand = brandOf(own, fallback)!
    expect(Object.fromEntries(brand.snippets)).toEqual({ sign: 'Acme', extra: 'E', legal: 'L' })
    expect(brand).toMatchObject({ id: 'acme', name: 'ACME' })
    expect(brand.colors).toBeUndefined()
  })

  test('is the default one where there is no other, and there may be none', () => {
    const fallback = row('default', { legal: 'L' })
    expect(brandOf(null, fallback)).toEqual(brandOf(fallback, fallback))
    expect(brandOf(null, null)).toBeNull()
    expect(brandOf(row('acme', {}), null)).toMatchObject({ id: 'acme', snippets: new Map() })
  })
})
