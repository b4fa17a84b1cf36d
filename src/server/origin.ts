const LOOPBACK_HOSTS: readonly string[] = ['127.0.0.1', 'localhost', '[::1]', '::1']

/**
 * Whether a web page of this origin may call us. Origins are compared as a whole, never by prefix or suffix, and never
 * taken from the request: a name that a stranger points at us (DNS rebinding) is not our own. A caller without an Origin
 * is no page.
 */
export type OriginCheck = (origin: string | undefined) => boolean

/** Allows the origins that are listed, and our own: the public URL's, or the address we listen at. */
export function originCheck(own: { publicUrl?: string; host: string; port: number }, allowed: readonly string[]): OriginCheck {
  const origins = new Set(allowed)
  if (own.publicUrl) origins.add(new URL(own.publicUrl).origin)
  const hosts = LOOPBACK_HOSTS.includes(own.host) ? LOOPBACK_HOSTS.slice(0, 3) : [own.host]
  for (const host of hosts) origins.add(`http://${host}:${own.port}`)
  return (origin) => origin === undefined || origins.has(origin)
}
