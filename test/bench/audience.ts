import pg from 'pg'
import { graphql, type House, median, openHouse, report } from './house.ts'

/**
 * The first page of an audience's members over a million users, through the public API, against the same over ten thousand
 * in another database of the same PostgreSQL: where one in ten matches, and where an EQ matches 50 in all.
 * `npm run bench:audience`; ROUNDS and USERS make it longer.
 */
const rounds = Number(process.env.ROUNDS ?? 31)
const many = Number(process.env.USERS ?? 1_000_000)
const few = 10_000
const chosen = 50

const audiences = {
  'one in ten': { operator: 'EQ', path: 'plan', value: 'plan-3' },
  '50 in all': { operator: 'EQ', path: 'address.district', value: 'chosen' },
}

const put = `mutation Put($id: ID!, $filter: AudienceFilter!) {
  putAudience(id: $id, input: { name: "Measured", filter: $filter }) { memberCount }
}`
const ask = 'query Members($id: ID!) { audience(id: $id) { members(first: 50) { nodes { id } pageInfo { hasNextPage } } } }'

interface Ground {
  readonly users: number
  readonly url: string
}

async function prepare(house: House, name: string, users: number): Promise<Ground> {
  const databaseUrl = new URL(house.databaseUrl)
  const admin = new pg.Client({ connectionString: databaseUrl.href })
  await admin.connect()
  await admin.query(`create database ${name}`)
  await admin.end()
  databaseUrl.pathname = `/${name}`
  const { url } = await house.start({ CARILLON_ROLES: 'api', DATABASE_URL: databaseUrl.href })
  await fill(databaseUrl.href, users)
  for (const [id, filter] of Object.entries(audiences)) {
    const { putAudience } = await graphql<{ putAudience: { memberCount: number } }>(url, house.key, put, { id, filter })
    const expected = id === 'one in ten' ? users / 10 : chosen
    if (putAudience.memberCount !== expected) throw new Error(`${putAudience.memberCount} members, not ${expected}.`)
  }
  return { users, url }
}

/** Ids in no order, as UUIDs are: pages do not find their rows side by side. */
async function fill(databaseUrl: string, users: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(
    `insert into "user" (environment_id, id, profile)
     select e.id, md5(n::text), jsonb_build_object(
       'email', 'user-' || n || '@example.com', 'name', 'User ' || n, 'plan', 'plan-' || n % 10, 'visits', n % 1000,
       'address', jsonb_build_object('country', 'C' || n % 50, 'district', case when n % ($1 / $2) = 0 then 'chosen' else 'D' || n % 9000 end))
     from environment e, generate_series(1, $1) n`,
    [users, chosen],
  )
  await client.query('vacuum analyze "user"')
  await client.end()
}

async function firstPage(house: House, { url }: Ground, id: string): Promise<number> {
  const before = performance.now()
  const { audience } = await graphql<{ audience: { members: { nodes: object[] } } }>(url, house.key, ask, { id })
  const took = performance.now() - before
  if (audience.members.nodes.length !== 50) throw new Error(`A page of ${audience.members.nodes.length}.`)
  return took
}

const house = await openHouse()
try {
  const small = await prepare(house, 'few', few)
  const large = await prepare(house, 'many', many)
  for (const id of Object.keys(audiences)) {
    const figures: number[] = []
    const references: number[] = []
    for (let round = -3; round < rounds; round++) {
      const [reference, figure] = [await firstPage(house, small, id), await firstPage(house, large, id)]
      if (round < 0) continue
      references.push(reference)
      figures.push(figure)
    }
    report({
      bench: 'audience',
      case: id,
      figure: Number(median(figures).toFixed(1)),
      unit: `ms a first page of 50 over ${many} users`,
      reference: Number(median(references).toFixed(1)),
      ratio: Number((median(figures) / median(references)).toFixed(2)),
      rounds,
    })
  }
} finally {
  await house.stop()
}
