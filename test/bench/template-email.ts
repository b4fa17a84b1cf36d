import { graphql } from './house.ts'
import { benchMailing } from './mailing.ts'
import { emailJob, purchase, RECEIPT } from './receipt.ts'

const PUT = 'mutation ($input: TemplateInput!) { putTemplate(id: "receipt", input: $input) { id } }'
const PUBLISH = 'mutation { publishTemplate(id: "receipt") { id } }'

/**
 * Email end to end with the receipt template: its data checked against the template's schema, rendered in threads, to an
 * address each; the bare Nodemailer sends such a mail as it is. `npm run bench:template`; MAILS and ROUNDS make it longer or
 * shorter.
 */
await benchMailing({
  bench: 'template-email',
  prepare: async ({ key }, { url }) => {
    await graphql(url, key, PUT, { input: { name: 'Receipt', ...RECEIPT } })
    await graphql(url, key, PUBLISH)
  },
  inputOf: (number) => ({ to: { email: `user-${number}@example.com` }, template: 'receipt', data: purchase(number) }),
  mail: emailJob(JSON.stringify(RECEIPT.content), purchase(0)),
})
