/** At the first start of a version that refuses local addresses: targets of earlier versions that have one may keep it, and that is audited. */

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isOwn } from '../connections/dial-address.ts'
import { repairedUpTo, setRepairedUpTo } from '../database/repairs.ts'
import { localKind, localKindOfHost } from '../shared/network/local-address.ts'
import type { Target } from '../targets/target.ts'
import type { GatewayParts } from './parts.ts'

const DONE = 'local-targets'
/** Names are asked for so long; what is not answered by then is refused until somebody allows it. */
const LOOKUPS_MS = 10_000
const LOOKUPS_AT_ONCE = 4
const PAGE = 500

/** Once in a store's life: one that is new holds no targets then. */
export async function allowLocalOfEarlier(parts: GatewayParts): Promise<void> {
  const { database, targets, audit, log } = parts
  if ((await repairedUpTo(DONE, database)) !== '') return
  const found: string[] = []
  const until = performance.now() + LOOKUPS_MS
  for await (const page of targets.pages(PAGE)) {
    for (let at = 0; at < page.length; at += LOOKUPS_AT_ONCE) {
      const some = page.slice(at, at + LOOKUPS_AT_ONCE).filter(({ allowLocal }) => allowLocal === undefined)
      const local = await Promise.all(some.map(target => isLocal(target, performance.now() < until)))
      for (const { name } of some.filter((_, index) => local[index])) found.push(name)
    }
  }
  if (found.length > 0) {
    log.warn({ targets: found }, 'targets of an earlier version have local addresses: they may keep them (allowLocal)')
    // First: none is marked that the audit log does not name.
    await audit.append({ kind: 'target.local-allowed', actor: 'gateway', data: { targets: found } })
    for (const name of found) {
      const target = await targets.get(name)
      if (target !== undefined) await targets.put({ ...target, allowLocal: true })
    }
  }
  await setRepairedUpTo(DONE, 'done', database)
}

async function isLocal({ host }: Target, ask: boolean): Promise<boolean> {
  if (localKindOfHost(host) !== undefined) return true
  if (isIP(host) !== 0) return isOwn(host)
  if (!ask) return false
  const addresses = await lookup(host, { all: true }).catch(() => [])
  return addresses.some(({ address }) => localKind(address) !== undefined || isOwn(address))
}
