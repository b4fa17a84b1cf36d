type Body = { readonly [key: string]: unknown }

/**
 * The body of a request to a provider: ours, under what the send says about it in the provider's own words (objects key by
 * key, anything else is replaced), under `own`: the fields that address the message, name it for us or authorise us, which
 * are what they are whatever a send says. One that must not be there at all is undefined in `own`.
 */
export function applyOverride(body: Body, override: Body | undefined, own: Body): Body {
  return merge(override ? merge(body, override) : body, own)
}

/** For a provider that reads names whatever their case: the override without what it would take for a field of `own`. */
export function withoutLookalikes(override: Body | undefined, own: Body): Body | undefined {
  const names = new Map(Object.keys(own).map((name) => [name.toLowerCase(), name]))
  const isLookalike = (field: string) => (names.get(field.toLowerCase()) ?? field) !== field
  return override && Object.fromEntries(Object.entries(override).filter(([field]) => !isLookalike(field)))
}

function merge(under: Body, over: Body): Body {
  const out: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    if (key === '__proto__') continue
    const before = Object.hasOwn(under, key) ? under[key] : undefined
    out[key] = isObject(before) && isObject(value) ? merge(before, value) : value
  }
  return out
}

function isObject(value: unknown): value is Body {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
