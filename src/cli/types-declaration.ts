/** A JSON Schema as any server gives it; whoever reads it takes nothing for granted. */
type Schema = Readonly<Record<string, unknown>>

export interface PublishedTemplate {
  readonly id: string
  /** Null: any data is taken. */
  readonly dataSchema: Schema | null
}

const HEADER = `/**
 * What templates take as their data, by their ids. Written by \`npm run carillon -- types\` from their published versions:
 * change the data schema of a template, publish it and write this anew.
 */
`

const INPUT = `
/** What a send with a template gives: its id, and the data that this one takes. */
export type SendTemplateInput<Id extends keyof TemplateData> = {
  template: Id
  data: TemplateData[Id]
}
`

/**
 * TypeScript that declares the data of templates: one interface by their ids, one for each data schema, and the input of a
 * send. The same templates give the same text, in whatever order they come. Fields that a schema does not name are not
 * taken, unless it says `additionalProperties`. Nothing is read but what is given.
 */
export async function declareTypes(templates: readonly PublishedTemplate[]): Promise<string> {
  const sorted = templates.toSorted((one, other) => (one.id < other.id ? -1 : 1))
  const document = {
    title: 'TemplateData',
    type: 'object',
    required: sorted.map(({ id }) => id),
    properties: Object.fromEntries(sorted.map(({ id, dataSchema }) => [id, declarable(id, dataSchema)])),
  }
  // It brings a formatter, which no other command needs.
  const { compile } = await import('json-schema-to-typescript')
  const interfaces = await compile(document as never, document.title, {
    additionalProperties: false,
    bannerComment: '',
    ignoreMinAndMaxItems: true,
    unknownAny: true,
    $refOptions: { resolve: { external: false } },
    style: { semi: false, singleQuote: true, printWidth: 120 },
  })
  return `${HEADER}${interfaces}${INPUT}`
}

function declarable(id: string, schema: Schema | null): Schema {
  if (schema === null) return { tsType: 'Record<string, unknown>' }
  const at = `#/properties/${encodeURIComponent(id.replaceAll('~', '~0').replaceAll('/', '~1'))}`
  return { ...(cleaned(schema, at) as Schema), title: `${id} data` }
}

/** Says what a type says. What else the library would follow is left out: names, files, and TypeScript of the schema's own. */
const KEPT = new Set([
  ...['type', 'enum', 'const', 'required', 'description', 'deprecated', 'allOf', 'anyOf', 'oneOf', 'items', 'prefixItems'],
  ...['additionalItems', 'additionalProperties'],
])
const MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions'])
const VALUES = new Set(['enum', 'const', 'required', 'description', 'type'])

/** @param at where the schema lies in the whole document, which its references begin with then */
function cleaned(schema: unknown, at: string): unknown {
  if (Array.isArray(schema)) return schema.map((one) => cleaned(one, at))
  if (typeof schema !== 'object' || schema === null) return schema
  const { $ref } = schema as Schema
  const entries = Object.entries(schema).flatMap(([keyword, said]): [string, unknown][] => {
    if (MAPS.has(keyword)) return [[keyword, cleanedMap(said, at)]]
    if (!KEPT.has(keyword)) return []
    return [[keyword, VALUES.has(keyword) ? said : cleaned(said, at)]]
  })
  const isWithin = typeof $ref === 'string' && /^#(\/|$)/.test($ref)
  return Object.fromEntries(isWithin ? [...entries, ['$ref', `${at}${$ref.slice(1)}`]] : entries)
}

function cleanedMap(schemas: unknown, at: string): unknown {
  if (typeof schemas !== 'object' || schemas === null) return {}
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, cleaned(schema, at)]))
}
