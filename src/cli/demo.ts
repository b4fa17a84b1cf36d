import { playFailover } from './demo-failover.ts'
import { createFailoverReport } from './demo-failover-report.ts'
import { holdOpen } from './demo-hold.ts'
import { playList } from './demo-list.ts'
import { createListReport } from './demo-list-report.ts'
import { playMessages } from './demo-messages.ts'
import { createPrint } from './demo-print.ts'
import { playReceipt } from './demo-receipt.ts'
import { createReceiptReport } from './demo-receipt-report.ts'
import { createReport } from './demo-report.ts'
import { type Environment, openStage } from './demo-stage.ts'

/**
 * Plays a whole scene: a few messages over several channels, then one to a list in a tenant's context, then one whose provider
 * is down, then a receipt from a template; their events live, and what arrived. On the server that CARILLON_PUBLIC_URL and
 * CARILLON_ADMIN_KEY name, otherwise on one of its own that is gone afterwards: on a terminal, not before the reader has looked.
 *
 * @param signal ends the scene early; what was started is stopped, and what was made is deleted, all the same
 * @returns whether every message went where it should and all that can be looked at had arrived
 */
export async function playDemo(env: Environment, stdout: NodeJS.WriteStream, signal: AbortSignal): Promise<boolean> {
  const print = createPrint(stdout)
  const report = createReport(print)
  await using stack = new AsyncDisposableStack()
  const stage = await openStage(env, report, stack, signal)
  const complaints = [
    ...(await playMessages(stage, report)),
    ...(await playList(stage, createListReport(print))),
    ...(await playFailover(stage, createFailoverReport(print))),
    ...(await playReceipt(stage, createReceiptReport(print))),
  ]
  await holdOpen(stage, process.stdin, print)
  complaints.push(...(await stage.traces.remove()))
  report.close(complaints)
  return complaints.length === 0
}
