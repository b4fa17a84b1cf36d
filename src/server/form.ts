import { Refusal } from '../errors.ts'
import type { RouteRequest } from './route.ts'

const MAX_FORM_BYTES = 64 * 1024
const TYPES = /^(application\/x-www-form-urlencoded|multipart\/form-data)\s*(;|$)/i

/**
 * The fields of a posted form, of either type that HTML knows; files in it are left out.
 *
 * @throws Refusal BAD_USER_INPUT for what is no form, PAYLOAD_TOO_LARGE for one over 64 KiB
 */
export async function readForm(request: RouteRequest): Promise<URLSearchParams> {
  const type = String(request.headers['content-type'] ?? '')
  if (!TYPES.test(type)) throw noForm()
  const bytes = await request.body(MAX_FORM_BYTES)
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData().catch((cause) => {
    throw noForm(cause)
  })
  const fields = new URLSearchParams()
  for (const [name, value] of form) if (typeof value === 'string') fields.append(name, value)
  return fields
}

function noForm(cause?: unknown): Refusal {
  const message = 'The body must be a form: application/x-www-form-urlencoded or multipart/form-data.'
  return new Refusal('BAD_USER_INPUT', message, { cause })
}
