import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSchema, createYoga } from 'graphql-yoga'

/** The reference for accepting: Yoga as it comes, which answers a constant to the same mutation. */
const typeDefs = readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8')
const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers: { Mutation: { send: () => ({ requestId: 'msg_constant' }) } } }),
  logging: false,
})
const server = createServer(yoga).listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`)
})
