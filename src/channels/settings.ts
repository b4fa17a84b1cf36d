import { z } from 'zod'
import type { Provider } from './provider.ts'

/** A provider's settings as JSON Schema (draft 2020-12), its secrets marked `writeOnly`. */
export function settingsSchema(provider: Provider): Record<string, unknown> {
  const { $schema: _dialect, '~standard': _standard, ...schema } = z.toJSONSchema(provider.settings, { io: 'input' })
  return schema
}

/** The names of the settings that are secrets: encrypted at rest, never returned. */
export function secretFields(provider: Provider): readonly string[] {
  const { properties = {} } = z.toJSONSchema(provider.settings, { io: 'input' })
  return Object.entries(properties)
    .filter(([, property]) => typeof property === 'object' && property.writeOnly === true)
    .map(([name]) => name)
}
