/** All of what the API gives in pages by name: a gateway with very many answers others in between. */

import type { Client } from './client.ts'

const PAGE = 1000

/** `key`: what the answer calls them. By name. */
export async function allPages<K extends string, T extends { readonly name: string }>(
  client: Client,
  path: string,
  key: K,
): Promise<Record<K, T[]>> {
  const all: T[] = []
  for (let after: string | undefined; ; ) {
    const page = (await client.get<Record<K, T[]>>(path, { limit: PAGE, after }))[key]
    // A gateway of the version before knows no pages: it gives all of them, each time.
    if (page.at(-1)?.name === after) break
    all.push(...page)
    if (page.length !== PAGE) break
    after = page.at(-1)!.name
  }
  all.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { [key]: all } as Record<K, T[]>
}
