import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Environment, loadConfig } from '../config.ts'

/**
 * The server that CARILLON_PUBLIC_URL names, or the one that the settings would start here, and a key to it:
 * CARILLON_ADMIN_KEY, or the one that is kept in the data dir.
 */
export async function findServer(env: Environment): Promise<{ readonly url: string; readonly key: string }> {
  const { http, adminKey, dataDir } = loadConfig(env)
  const kept = () => readFile(join(dataDir, 'admin-key'), 'utf8').catch(() => '')
  const key = adminKey ?? (await kept()).trim()
  if (key === '') throw new Error('There is no API key: set CARILLON_ADMIN_KEY, and CARILLON_PUBLIC_URL to where the server is.')
  return { url: http.publicUrl ?? `http://${reachable(http.host)}:${http.port}`, key }
}

/** An address that is listened on, as a URL has one that leads to it (RFC 3986, 3.2.2). */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
