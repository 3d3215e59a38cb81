/**
 * Rotates accounts without end, in a process of its own: for who kills it. First it goes on with what the one before it left, and says on a
 * line of JSON how each account stands then. `node rotating-process.ts STORE ACCOUNT@TARGET…`
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../../src/database/database.ts'
import { loadProtocols } from '../../src/gateway/protocols.ts'
import { parseAccountAddress } from '../../src/shared/names.ts'
import { createRotationWorld } from './rotation-parts.ts'

/** What the process says once it has gone on with everything: how many rotations were open, and how the accounts stand. */
export interface Left {
  readonly open: number
  readonly standings: readonly Standing[]
}

export interface Standing {
  readonly account: string
  /** Of a login with the version in force. */
  readonly result: string
  readonly words: string
  readonly version: number
  readonly state: string
}

if (import.meta.main) {
  const [store, ...names] = process.argv.slice(2)
  const accounts = names.map(name => parseAccountAddress(name)!)
  const database = await openDatabase(store!)
  const served = await loadProtocols()
  const { rotations, states, journal } = await createRotationWorld({
    database,
    connectors: protocol => served.of(protocol).connectors ?? [],
    pause: ms => sleep(ms),
  })
  const open = (await journal.list({ open: true, limit: 1000 })).length
  while ((await journal.list({ open: true, limit: 1 })).length > 0) {
    await rotations.recover()
    await sleep(20)
  }
  const standings = await Promise.all(
    accounts.map(async (address): Promise<Standing> => {
      let verified = await rotations.verify(address, 'owner')
      // The machine is slow, and says nothing of the credential.
      while (verified.result === 'unreachable') verified = await rotations.verify(address, 'owner')
      const { result, words, version } = verified
      const state = (await states.get(address))?.state ?? 'ok'
      return { account: address.account, result, words, version, state }
    }),
  )
  process.stdout.write(`${JSON.stringify({ open, standings } satisfies Left)}\n`)
  await Promise.all(
    accounts.map(async address => {
      for (;;) {
        const outcome = await rotations.rotate(address, { trigger: 'by-hand', by: 'owner' })
        if (outcome.result !== 'rotated' && outcome.result !== 'open')
          process.stdout.write(`${JSON.stringify({ account: address.account, ...outcome })}\n`)
      }
    }),
  )
}
