import { LRUCache } from 'lru-cache'
import { RenderRefusal } from './template.ts'

const LONGEST = 4 * 1024 * 1024

const compiled = new LRUCache<string, Promise<string>>({ max: 500, maxSize: 32 * 1024 * 1024, sizeCalculation: sizeOf })

function sizeOf(_html: Promise<string>, source: string): number {
  // HTML takes some four times the MJML it is made of.
  return 10 * source.length + 1
}

/** MJML takes half a second to load, so it is loaded once, and where it is needed. */
const loading = { mjml: null as ReturnType<typeof load> | null }

async function load() {
  const [core, preset] = await Promise.all([import('mjml-core'), import('mjml-preset-core')])
  // It is of CommonJS: Node gives the whole module as its default, a bundler what the module calls so.
  const { default: whole } = core
  return { toHtml: 'default' in whole ? whole.default : whole, preset: preset.default }
}

/** Loads what compiles, so that the first mail need not wait for it. */
export async function prepareMjml(): Promise<void> {
  loading.mjml ??= load()
  await loading.mjml
}

/**
 * MJML as HTML: tables and inlined styles that every mail program shows, with what Outlook on Windows wants for itself. Loads
 * nothing, whatever it names. Marks and slots stay where they are. Remembered. isAuthors: some of it is not ours.
 *
 * @throws RenderRefusal for an author's that is no MJML
 */
export function compileMjml(source: string, isAuthors: boolean): Promise<string> {
  const known = compiled.get(source)
  if (known !== undefined) return known
  const fresh = compile(source, isAuthors)
  compiled.set(source, fresh)
  fresh.catch(() => compiled.delete(source))
  return fresh
}

async function compile(source: string, isAuthors: boolean): Promise<string> {
  if (source.length > LONGEST) throw new RenderRefusal('The email is too long to be laid out.')
  loading.mjml ??= load()
  const { toHtml, preset } = await loading.mjml
  try {
    const { html } = await toHtml(source, {
      presets: [preset],
      fonts: {},
      ignoreIncludes: true,
      keepComments: false,
      validationLevel: 'skip',
    })
    // What MJML says where its author names no language, which is that none is known.
    return squeezed(html.replaceAll(' lang="und"', ''))
  } catch (error) {
    if (error instanceof RangeError) throw new RenderRefusal('The elements lie too deep in each other to be laid out.')
    if (!isAuthors) throw error
    // All that is told of what does not fit together is where the program stumbled.
    throw new RenderRefusal('This is no MJML: it begins with <mjml> and has its content in <mj-body>.')
  }
}

/** Without the indentation, which is half of it; a `pre` keeps its own. */
function squeezed(html: string): string {
  return html
    .split(/(<pre\b[\s\S]*?(?:<\/pre>|$))/i)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/(?<![ \t])[ \t]*\n\s*/g, '\n')))
    .join('')
    .trim()
}
