/** The path in the URL of an SQLite store; undefined for PostgreSQL and `sqlite::memory:`. */
export function sqliteFile(url: string): string | undefined {
  return url.startsWith('sqlite:') && url !== 'sqlite::memory:' ? url.slice('sqlite:'.length) : undefined
}
