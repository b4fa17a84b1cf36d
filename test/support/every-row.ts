import pg from 'pg'

/** Every row of every table, a text each, with the table's name before it. None where the database is the embedded one, which nobody else can ask. */
export async function everyRowIn(databaseUrl: string | null): Promise<readonly string[]> {
  if (databaseUrl === null) return []
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    const texts: string[] = []
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string }>(`select '${name}: ' || t::text as text from "${name}" t`)
      texts.push(...rows.map(({ text }) => text))
    }
    return texts
  } finally {
    await client.end()
  }
}

/** The tables of rows in which a word stands. */
export function tablesWith(rows: readonly string[], word: string): readonly string[] {
  return [...new Set(rows.filter((row) => row.includes(word)).map((row) => row.slice(0, row.indexOf(':'))))].sort()
}
