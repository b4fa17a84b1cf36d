import { EventEmitter, on } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { useServer } from 'graphql-ws/use/ws'
import { createSchema } from 'graphql-yoga'
import { WebSocketServer } from 'ws'

/** The reference for fan-out: plain graphql-ws over ws, which executes the document for each subscriber and event. */
const topic = new EventEmitter().setMaxListeners(0)
const typeDefs = readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8')
const schema = createSchema({
  typeDefs,
  resolvers: {
    Subscription: {
      messageEvents: {
        async *subscribe() {
          for await (const [event] of on(topic, 'event')) yield event
        },
        resolve: (event: unknown) => event,
      },
    },
  },
})
const http = createServer()
useServer({ schema }, new WebSocketServer({ server: http, path: '/graphql' }))
http.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` })}\n`)
})

process.on('message', ({ events }: { events: number }) => {
  for (let n = 0; n < events; n++) {
    topic.emit('event', {
      id: `evt_production_${n}`,
      cursor: `MS5vZ29WaTN4ellqZmUuaUxOc2ZnM29LZkNURUN3cW04YWJEQ2xLQXlMNlVRNHhqRVpWanlDeEcz${n}`,
      type: 'SENT',
      at: new Date(),
      messageId: 'msg_01a1fb83bf597302b140bc5f2f0e1f88',
      status: 'SENT',
      reason: null,
      channel: 'EMAIL',
      providerId: 'smtp',
    })
  }
  process.send?.({ emitted: events })
})
process.on('SIGTERM', () => process.exit(0))
