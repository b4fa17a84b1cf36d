import { benchMailing, CONTENT } from './mailing.ts'

/** Email end to end, to an address each. `npm run bench:email`; MAILS and ROUNDS make it longer or shorter. */
await benchMailing({
  bench: 'email',
  inputOf: (number) => ({ to: { email: `user-${number}@example.com` }, content: CONTENT }),
})
