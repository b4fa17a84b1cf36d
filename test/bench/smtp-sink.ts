import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** A mail server in a process of its own that takes every mail and keeps none. Asked `{ expect: n }`, it answers once n came. */
let taken = 0
let expected = Number.POSITIVE_INFINITY

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  logger: false,
  onData(stream, _session, done) {
    stream.resume()
    stream.once('end', () => {
      done()
      taken += 1
      if (taken === expected) process.send?.({ taken })
    })
  },
})
server.on('error', () => {})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}` })}\n`)
})
process.on('message', ({ expect }: { expect: number }) => {
  taken = 0
  expected = expect
})
process.on('SIGTERM', () => process.exit(0))
