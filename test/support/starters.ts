import { readdirSync, readFileSync } from 'node:fs'
import type { Content } from '../../src/render/element.ts'

/** The starter templates that ship, as their files say them. */

interface Starter {
  readonly name: string
  readonly content: Content
  readonly dataSchema: Readonly<Record<string, unknown>>
  /** Data that it can be shown with. */
  readonly sample: Readonly<Record<string, unknown>>
}

const FOLDER = new URL('../../templates/', import.meta.url)

/** Their names: welcome, receipt and so on. */
export const STARTERS: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort()

export function starter(name: string): Starter {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'))
}
