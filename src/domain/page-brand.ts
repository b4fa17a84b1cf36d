import { contrast, hexOf } from '../render/color.ts'
import { readBrands } from '../store/brand.ts'
import type { Db } from '../store/database.ts'
import { readTenantChain } from '../store/tenant.ts'
import { brandOf, chooseBrand, DEFAULT_BRAND } from './brand.ts'

/** A brand as far as a page for people shows it. Colours are `#rrggbb`. */
export interface PageBrand {
  readonly name: string
  /** Http(s). Without an alternative text it is shown as the brand's name. */
  readonly logo: { readonly url: string; readonly alt: string } | null
  /** What fills buttons, and what is readable on it. */
  readonly primary: { readonly fill: string; readonly ink: string } | null
}

const READABLE = 4.5

/** The brand of a tenant, or of the nearest above it that has one; otherwise the default one. Null where there is neither. */
export async function readPageBrand(
  db: Db,
  { environmentId, tenantId }: { readonly environmentId: string; readonly tenantId: string | null },
): Promise<PageBrand | null> {
  const chain = tenantId === null ? [] : await readTenantChain(db, environmentId, tenantId)
  const tenants = chain.map(({ brandId }) => brandId)
  const ids = new Set([...tenants.filter((id) => id !== null), DEFAULT_BRAND])
  const brands = await readBrands(
    db,
    [...ids].map((id) => ({ environmentId, id })),
  )
  const rowOf = (id: string) => brands.get(`${environmentId}\n${id}`) ?? null
  const chosen = chooseBrand({ message: null, tenants, template: null }, (id) => rowOf(id) !== null)
  const brand = chosen === null ? null : brandOf(rowOf(chosen), null)
  if (brand === null) return null
  const fill = hexOf(brand.colors?.primary ?? '')
  return {
    name: brand.name,
    logo: brand.logo ? { url: brand.logo.url, alt: brand.logo.alt || brand.name } : null,
    primary: fill === null ? null : { fill, ink: inkOn(fill) },
  }
}

/** White where it is readable, otherwise black, which then is (WCAG 2.2, success criterion 1.4.3). */
function inkOn(fill: string): string {
  return contrast('#ffffff', fill) >= READABLE ? '#ffffff' : '#000000'
}
