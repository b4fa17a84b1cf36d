import { chmod, mkdir, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What lies in a data dir of ours; `lost+found` in every volume. */
const OURS = new Set(['postgres', 'postgres.log', 'socket', 'secret', 'admin-key', 'mail', 'lost+found'])

/**
 * Makes the data dir if there is none, readable by its owner alone (mode 0700). Can be called again.
 *
 * @throws when the folder holds somebody else's files: its mode must not change under them
 */
export async function claimDataDir(path: string): Promise<void> {
  // Its parents, where they are made too, are nobody's secret: the server's user may have to pass.
  await mkdir(dirname(path), { recursive: true })
  await mkdir(path, { recursive: true, mode: 0o700 })
  const names = await readdir(path)
  const foreign = names.length > 0 && !names.some(isOurs)
  if (foreign)
    throw new Error(`CARILLON_DATA_DIR ${path} holds other files; name an empty folder, or one that does not exist yet.`)
  await chmod(path, 0o700)
}

/** What was being made when we were killed has a suffix: `secret.1f`. */
function isOurs(name: string): boolean {
  return OURS.has(name) || OURS.has(name.split('.')[0] ?? '')
}
