import { isConnectionLost } from './connect.ts'

interface Waiting<I, O> {
  readonly input: I
  readonly resolve: (output: O) => void
  readonly reject: (error: unknown) => void
}

export interface GroupOptions<I> {
  readonly maxSize: number
  readonly repeatable?: (input: I) => boolean
}

/**
 * Group commit: callers at the same time share a transaction, a lone caller waits for nobody. One group is in flight; what
 * arrives meanwhile forms the next, in the order it came.
 *
 * A group that throws is tried again one by one, so nobody pays for another's input. Where its connection was lost it may
 * have been committed all the same: then only those inputs are tried again which may be written twice, together and once; the
 * others reject.
 *
 * @param run writes the inputs together, all or none, and answers with one output for each, in order
 * @param options maxSize: the most inputs of a group, 1 or more. repeatable: whether writing an input that is written already
 * changes nothing; by default none is
 */
export function groupWrites<I, O>(
  run: (inputs: readonly I[]) => Promise<readonly O[]>,
  options: GroupOptions<I>,
): (input: I) => Promise<O> {
  let waiting: Waiting<I, O>[] = []
  let running = false

  async function runAll(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.slice(0, options.maxSize)
      waiting = waiting.slice(options.maxSize)
      await settle(run, group, options)
    }
    running = false
  }

  return (input) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ input, resolve, reject })
      if (running) return
      running = true
      // A microtask later, so that callers of the same turn share the first group as well.
      queueMicrotask(() => void runAll())
    })
}

async function settle<I, O>(
  run: (inputs: readonly I[]) => Promise<readonly O[]>,
  group: readonly Waiting<I, O>[],
  { repeatable = () => false }: Pick<GroupOptions<I>, 'repeatable'>,
): Promise<void> {
  try {
    const outputs = await run(group.map(({ input }) => input))
    if (outputs.length !== group.length)
      throw new Error(`A group of ${group.length} was answered with ${outputs.length} outputs.`)
    for (const [index, { resolve }] of group.entries()) resolve(outputs[index] as O)
  } catch (error) {
    if (isConnectionLost(error)) return await repeat(run, group, repeatable, error)
    for (const one of group) {
      if (group.length > 1) await settle(run, [one], {})
      else one.reject(error)
    }
  }
}

/** Together: where nobody answers, each by itself would wait as long as all of them. */
async function repeat<I, O>(
  run: (inputs: readonly I[]) => Promise<readonly O[]>,
  group: readonly Waiting<I, O>[],
  repeatable: (input: I) => boolean,
  error: unknown,
): Promise<void> {
  const again: Waiting<I, O>[] = []
  for (const one of group) {
    if (repeatable(one.input)) again.push(one)
    else one.reject(error)
  }
  if (again.length > 0) await settle(run, again, {})
}
