import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileFault, UsageError } from './bulk-flaw.ts'
import { OWNER_ALONE } from './bulk-state.ts'

/** Lets a file go that was kept. */
export type Release = () => Promise<void>

/**
 * Keeps a file from every other command until it is let go. `<path>.lock` beside it has the number of the process that holds it;
 * one that is gone, by `kill -9`, holds nothing.
 *
 * @param path what is written, or has others written beside it under its name
 * @param subject what it is called where it cannot be: 'The reject file'
 * @throws UsageError where another command holds it, or nothing can be written beside it
 */
export async function lockFile(path: string, subject: string): Promise<Release> {
  const lock = `${path}.lock`
  try {
    while (!(await isMade(lock))) {
      const holder = await holderOf(lock)
      if (holder !== null && isRunning(holder)) {
        throw new UsageError(
          `Another command, process ${holder}, is at work on ${path}. Wait for it, or end it; if there is none, delete ${lock}.`,
        )
      }
      if (holder !== null) await takeOff(lock, holder)
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    const fault = error as NodeJS.ErrnoException
    const words = fault.code === 'ENOENT' ? `there is no folder ${dirname(path)}` : fileFault(fault, lock)
    throw new UsageError(`${subject} cannot be written: ${words}.`)
  }
  return () => rm(lock, { force: true })
}

/** Whether there was none, and this one is ours now. */
async function isMade(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx', mode: OWNER_ALONE })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** A lock is made a moment before its number is in it; one that stays empty is what a loss of power left. */
const LOOKS = 20
const LOOK_MS = 25

/** What stands in a lock; null where it is there no more. */
async function holderOf(lock: string): Promise<string | null> {
  for (let looks = 1; ; looks += 1) {
    const holder = await readFile(lock, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (holder !== '' || looks === LOOKS) return holder
    await sleep(LOOK_MS)
  }
}

/** What is no number at all is not ours to take off. Our own number was another's, of a container before this one, say. */
function isRunning(holder: string): boolean {
  if (holder === '' || holder === String(process.pid)) return false
  try {
    return process.kill(Number(holder), 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Takes off the lock of a holder that is gone, unless another did that first and holds it now. */
async function takeOff(lock: string, holder: string): Promise<void> {
  const aside = `${lock}.${process.pid}`
  try {
    await rename(lock, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const taken = await readFile(aside, 'utf8')
  if (taken !== holder) await writeFile(lock, taken, { flag: 'wx', mode: OWNER_ALONE }).catch(() => {})
  await rm(aside, { force: true })
}
