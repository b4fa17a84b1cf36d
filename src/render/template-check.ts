import { compile } from './compile.ts'
import type { Program } from './program.ts'
import { hasTags, MAX_NAMES, scan } from './scan.ts'
import { RenderRefusal } from './template.ts'

/** How deep snippets bring in each other. */
export const MAX_SNIPPETS = 5

/**
 * Null where a source is a template (compile.ts), otherwise a sentence that names its line. At most 262,144 characters and
 * 5,000 names, 1,000 characters in a tag that is no comment, and blocks 50 deep.
 */
export function checkTemplate(source: string): string | null {
  return complaintOf(() => compile(source))
}

/** Checks templates that are kept together, like a document's: each as checkTemplate does, and all of them may hold 5,000 names. */
export function createChecker(): (source: string) => string | null {
  let names = 0
  return (source) =>
    complaintOf(() => {
      if (hasTags(source)) names += scan(source).names
      if (names > MAX_NAMES)
        throw new RenderRefusal(`All texts together may have at most ${MAX_NAMES.toLocaleString('en')} names.`)
      compile(source)
    })
}

/** Null where a brand's snippets, by name, are templates that do not bring in themselves, nor nest deeper than 5; otherwise a sentence. */
export function checkSnippets(snippets: ReadonlyMap<string, string>): string | null {
  const depths = new Map<string, number>()
  const depthOf = (name: string, above: readonly string[]): number => {
    if (above.includes(name)) throw new RenderRefusal(`Snippets must not bring in themselves: ${[...above, name].join(' > ')}.`)
    const known = depths.get(name)
    if (known !== undefined) return known
    const inner = snippetsIn(compile(snippets.get(name) ?? '')).map((one) => depthOf(one, [...above, name]))
    const depth = 1 + Math.max(0, ...inner)
    if (depth > MAX_SNIPPETS) {
      throw new RenderRefusal(`The snippet '${name}' brings in others more than ${MAX_SNIPPETS} levels deep.`)
    }
    depths.set(name, depth)
    return depth
  }
  return complaintOf(() => {
    for (const name of snippets.keys()) depthOf(name, [])
  })
}

function snippetsIn(program: Program): readonly string[] {
  return program.flatMap((step) => {
    if (typeof step === 'string') return []
    if (step.kind === 'snippet') return [step.name]
    return 'body' in step ? [...snippetsIn(step.body), ...snippetsIn(step.otherwise)] : []
  })
}

function complaintOf(check: () => unknown): string | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof RenderRefusal) return error.message
    throw error
  }
}
