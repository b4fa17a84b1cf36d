import { PrismaPg } from '@prisma/adapter-pg'
import { graphql } from 'graphql'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.ts'
import { schema } from '../../src/graphql/schema.ts'
import { createSecrets } from '../../src/secrets.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const signer = createSecrets([new Uint8Array(32).fill(7)])
const TEMPLATES = 5
const VERSIONS = 3

let database: TestDatabase
let prisma: PrismaClient<'query'>
let statements: string[] = []

beforeAll(async () => {
  database = await testDatabase()
  prisma = new PrismaClient({
    adapter: new PrismaPg({ connectionString: database.url }),
    log: [{ emit: 'event', level: 'query' }],
  })
  const environmentId = 'production'
  for (let n = 0; n < TEMPLATES; n++) {
    const versions = Array.from({ length: VERSIONS }, (_, at) => ({
      number: at + 1,
      body: { content: { title: `${n}.${at + 1}` } },
    }))
    await prisma.template.create({
      data: {
        environmentId,
        id: `t${n}`,
        name: 'T',
        draft: {},
        published: VERSIONS,
        newest: VERSIONS,
        versions: { create: versions },
      },
    })
  }
  prisma.$on('query', ({ query }) => statements.push(query))
})
beforeEach(() => {
  statements = []
})
afterAll(async () => {
  await prisma.$disconnect()
  await database.drop()
})

async function ask(source: string): Promise<unknown> {
  const actor = { kind: 'key', environmentId: 'production', scopes: ['ADMIN'] }
  const contextValue = { graph: { prisma, signer, maxListEntries: 100 }, actor }
  const { data, errors } = await graphql({ schema, source, contextValue })
  expect(errors).toBeUndefined()
  return data
}

const naming = (column: string) => statements.filter((statement) => statement.includes(`"${column}"`))

test('A list of templates reads neither drafts nor what versions say, where nobody asks for it', async () => {
  const node = { published: { number: VERSIONS } }
  expect(await ask('{ templates { nodes { published { number } } } }')).toEqual({
    templates: { nodes: Array(TEMPLATES).fill(node) },
  })
  expect([...naming('draft'), ...naming('body')]).toEqual([])
})

test('What the versions of a list say is read in one statement', async () => {
  const said = await ask('{ templates { nodes { published { content { title } topicId } } } }')
  expect(said).toMatchObject({ templates: { nodes: [{ published: { content: { title: `0.${VERSIONS}` } } }, {}, {}, {}, {}] } })
  expect(naming('body')).toHaveLength(1)
})

test('Versions are counted without what they say, and what they say is read in one statement', async () => {
  await ask('{ template(id: "t1") { versions(first: 100) { nodes { number publishedAt } } } }')
  expect(naming('body')).toEqual([])
  const said = await ask('{ template(id: "t1") { versions(first: 100) { nodes { content { title } } } } }')
  const nodes = ['1.3', '1.2', '1.1'].map((title) => ({ content: { title } }))
  expect(said).toEqual({ template: { versions: { nodes } } })
  expect(naming('body')).toHaveLength(1)
})
