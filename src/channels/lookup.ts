import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'

export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Finds every address of a host name. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>

/** A name that leads, or led just now, to an address that may not be reached. Its message holds neither. */
export class AddressRefused extends Error {
  constructor() {
    super('This address may not be reached.')
    this.name = 'AddressRefused'
  }
}

/** The system's own resolver: hosts file and DNS, all addresses of both families. */
export const resolveBySystem: Resolve = async (host) => (await systemLookup(host, { all: true })) as readonly ResolvedAddress[]

/**
 * A `lookup` for net.connect and tls.connect that answers only when every address found may be reached, so that neither
 * an address put beside a public one nor a name that changes its answer (DNS rebinding) leads inside. Node does not call
 * it for IP literals: those are checked before, and the address connected to after.
 */
export function createCheckedLookup(resolve: Resolve, refuse: (ip: string) => string | null): LookupFunction {
  return (host, options, callback) => {
    resolve(host).then(
      (found) => {
        const first = found[0]
        if (!first) return callback(new Error(`${host} has no address.`), [])
        if (found.some(({ address }) => refuse(address) !== null)) return callback(new AddressRefused(), [])
        if (options.all) return callback(null, [...found])
        callback(null, first.address, first.family)
      },
      (error: Error) => callback(error, []),
    )
  }
}
