import type { RenderedBrand } from '../render/brand.ts'
import type { BrandRow } from '../store/brand.ts'
import { keyOf, type Named, type SharedFacts } from '../store/facts.ts'
import type { TenantRow } from '../store/tenant.ts'
import { type BrandCandidates, brandOf, chooseBrand, DEFAULT_BRAND } from './brand.ts'
import type { Occasion } from './situation.ts'

type Brands = ReadonlyMap<string, BrandRow>

/** Every brand that one of them may take beside the default. */
export function brandsOf(occasions: readonly Occasion[], { chains }: SharedFacts): readonly Named[] {
  const found = new Map<string, Named>()
  const add = (environmentId: string, id: string | null) => {
    if (id !== null) found.set(keyOf(environmentId, id), { environmentId, id })
  }
  for (const { environmentId, tenantId, definition } of occasions) {
    add(environmentId, definition.brandId ?? null)
    add(environmentId, definition.channels?.EMAIL?.brandId ?? null)
    add(environmentId, definition.under?.brandId ?? null)
    add(environmentId, definition.under?.emailBrandId ?? null)
    if (tenantId === null) continue
    for (const { brandId } of chains.get(keyOf(environmentId, tenantId)) ?? []) add(environmentId, brandId)
  }
  return [...found.values()]
}

/** The brand of a message, whatever carries it. */
export function brandFor(occasion: Occasion, chain: readonly TenantRow[], brands: Brands): RenderedBrand | null {
  const { brandId, under } = occasion.definition
  return chosenBrand(occasion, { message: brandId ?? null, template: under?.brandId ?? null }, chain, brands)
}

/**
 * The brand of its emails where one is said for them alone; null where none is. That goes before what the same one, the message
 * or the template, says of every channel.
 */
export function emailBrandFor(occasion: Occasion, chain: readonly TenantRow[], brands: Brands): RenderedBrand | null {
  const { brandId, channels, under } = occasion.definition
  const own = channels?.EMAIL?.brandId
  if (own === undefined && under?.emailBrandId === undefined) return null
  const candidates = { message: own ?? brandId ?? null, template: under?.emailBrandId ?? under?.brandId ?? null }
  return chosenBrand(occasion, candidates, chain, brands)
}

function chosenBrand(
  { environmentId }: Occasion,
  said: Pick<BrandCandidates, 'message' | 'template'>,
  chain: readonly TenantRow[],
  brands: Brands,
): RenderedBrand | null {
  const fallback = brands.get(keyOf(environmentId, DEFAULT_BRAND)) ?? null
  const candidates = { ...said, tenants: chain.map(({ brandId }) => brandId) }
  const id = chooseBrand(candidates, (one) => brands.has(keyOf(environmentId, one)))
  const own = id === null ? null : (brands.get(keyOf(environmentId, id)) ?? null)
  return brandOf(own, fallback)
}
