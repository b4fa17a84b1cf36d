import Handlebars from 'handlebars'
import { render } from '../../src/render/content.ts'
import { FUNCTIONS } from '../../src/render/functions/table.ts'
import type { Json } from '../../src/render/job.ts'
import { prepareMjml } from '../../src/render/mjml.ts'
import { sourceOf } from './handlebars-source.ts'
import { median, report } from './house.ts'
import { emailJob, purchase, RECEIPT } from './receipt.ts'

/**
 * Emails of the receipt template a second, in one process and without threads, against Handlebars alone that prints the same
 * subject, HTML and text from sources it has compiled, with the same functions. `npm run bench:render`; MAILS and ROUNDS make
 * it longer or shorter.
 */
const mails = Number(process.env.MAILS ?? 5_000)
const rounds = Number(process.env.ROUNDS ?? 5)

const document = JSON.stringify(RECEIPT.content)
const ours = (data: Json) => render(emailJob(document, data))

const source = await sourceOf(RECEIPT.content, purchase(0), 'lines')
const handlebars = Handlebars.create()
for (const [name, { call }] of FUNCTIONS) {
  if (['if', 'unless', 'each', 'with', 'lookup'].includes(name)) continue
  const place = { valueAt: () => undefined, spend: () => {} }
  handlebars.registerHelper(name, (...values: unknown[]) => call(values.slice(0, -1), new Map(), place))
}
const compiled = {
  subject: handlebars.compile(source.subject, { ignoreStandalone: true, noEscape: true }),
  html: handlebars.compile(source.html, { ignoreStandalone: true }),
  text: handlebars.compile(source.text, { ignoreStandalone: true, noEscape: true }),
}
const alone = (data: Json) => ({ subject: compiled.subject(data), html: compiled.html(data), text: compiled.text(data) })

await prepareMjml()
await refuseDifferent(purchase(1))

async function perSecond(printed: (data: Json) => unknown): Promise<number> {
  const all = Array.from({ length: mails }, (_, number) => purchase(number))
  const started = performance.now()
  for (const data of all) await printed(data)
  return mails / ((performance.now() - started) / 1000)
}

await perSecond(ours)
await perSecond(alone)
const results: { ours: number; alone: number }[] = []
for (let round = 0; round < rounds; round++) results.push({ alone: await perSecond(alone), ours: await perSecond(ours) })
report({
  bench: 'render',
  figure: Math.round(median(results.map((result) => result.ours))),
  unit: 'emails/s of the receipt template in one process',
  reference: Math.round(median(results.map((result) => result.alone))),
  ratio: Number(median(results.map((result) => result.ours / result.alone)).toFixed(3)),
  mails,
  rounds,
})

/** What is measured must be the same mail: that each escapes in its own way aside. */
async function refuseDifferent(data: Json): Promise<void> {
  const [mine, reference] = [await ours(data), alone(data)]
  const plain = (html: string) =>
    html
      .replaceAll(/&#(?:x27|39);|&#x60;|&#x3D;/gi, (one) => ({ '&#x60;': '`', '&#x3d;': '=' })[one.toLowerCase()] ?? "'")
      .replaceAll(/<br\s*\/?>|\n/g, '\n')
  for (const part of ['subject', 'html', 'text'] as const) {
    const [a, b] = [plain(mine[part]!), plain(reference[part])]
    if (a === b) continue
    let at = 0
    while (a[at] === b[at]) at += 1
    throw new Error(`The ${part} differs:\n${a.slice(at - 60, at + 60)}\n---\n${b.slice(at - 60, at + 60)}`)
  }
}
