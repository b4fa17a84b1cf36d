import { once } from 'node:events'
import type { Print } from './demo-print.ts'
import type { Stage } from './demo-stage.ts'

/** On a terminal, waits until the reader has looked at what there is to see; what the demo made goes afterwards. */
export async function holdOpen({ signal }: Stage, stdin: NodeJS.ReadStream, { line, paint }: Print): Promise<void> {
  if (!stdin.isTTY) return
  line(`\n  ${paint('bold', 'Enter')} ${paint('dim', 'ends the demo, and takes away all that it made')}`)
  await once(stdin, 'data', { signal }).finally(() => stdin.pause())
}
