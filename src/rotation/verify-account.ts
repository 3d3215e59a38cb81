/** Tries what is in force at the target. What it refuses was changed elsewhere, unless a candidate of ours arrived there late. */

import type { Outbox } from '../audit/chain/outbox.ts'
import type { Connector } from '../session/connector.ts'
import type { Clock } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Vault } from '../vault/vault.ts'
import type { AccountStates, VerifiedResult } from './account-states.ts'
import { changedElsewhere, verified } from './events.ts'
import type { Journal } from './journal.ts'
import type { Entry, Logins, Purpose } from './logins.ts'
import { OpenedSecrets } from './opened-secrets.ts'
import type { VerifyOutcome } from './outcome.ts'

interface Parts {
  readonly outbox: Outbox
  readonly journal: Journal
  readonly logins: Logins
  readonly states: AccountStates
  readonly vault: Pick<Vault, 'noteVerified' | 'makeCurrent'>
  readonly clock: Clock
  readonly log: Log
}

export type VerifyAccount = ReturnType<typeof createVerifyAccount>

export function createVerifyAccount(parts: Parts) {
  const { outbox, journal, logins, states, vault, clock, log } = parts

  /** Of the version, the account and the audit log, in one transaction. */
  async function note(
    address: AccountAddress,
    version: number,
    result: VerifiedResult,
    { by, words }: { by: string; words: string },
  ): Promise<void> {
    const seen = result === 'changed-elsewhere' ? 'refused' : result === 'damaged' ? 'unreachable' : result
    const event =
      result === 'changed-elsewhere'
        ? changedElsewhere(address, version, by, words)
        : verified(address, version, by, result, words)
    await vault.noteVerified(address, version, { at: clock.now(), result: seen }, write =>
      outbox.change(async (on, record) => {
        const written = await write(on)
        await states.verified(on, address, result, words)
        record(event)
        return written
      }),
    )
  }

  /** The last candidate that was given up may have reached the target after it was found not to be in force. */
  async function lateCandidate(
    connector: Connector,
    entry: Entry,
    version: number,
    purpose: Purpose,
    tries: Pick<Logins, 'verify'>,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const address = { account: entry.account.name, target: entry.target.name }
    const [last] = await journal.list({ ...address, open: false, limit: 1 })
    if (last === undefined || last.candidate <= version || last.state === 'finished') return undefined
    const tried = await tries.verify(connector, entry, last.candidate, purpose, signal)
    if (tried.result !== 'works') return undefined
    await vault.makeCurrent(address, last.candidate, { replacing: version }, write =>
      outbox.change(async (on, record) => {
        const written = await write(on)
        if (written === false) return written
        await states.verified(on, address, 'works', '')
        record(
          verified(
            address,
            last.candidate,
            purpose.by,
            'works',
            `it reached the target late, after ${last.id} was given up`,
          ),
        )
        return written
      }),
    )
    return last.candidate
  }

  return async (
    connector: Connector,
    entry: Entry,
    version: number,
    by: string,
    signal: AbortSignal,
  ): Promise<VerifyOutcome> => {
    const address = { account: entry.account.name, target: entry.target.name }
    const purpose: Purpose = { by, for: 'verify' }
    using opened = new OpenedSecrets()
    const tries = logins.during(opened)
    const tried = await tries.verify(connector, entry, version, purpose, signal)
    signal.throwIfAborted()
    switch (tried.result) {
      case 'works':
        await note(address, version, 'works', { by, words: '' })
        return { result: 'works', version, words: '' }
      case 'unreachable':
      case 'withheld':
        await note(address, version, 'unreachable', { by, words: tried.words })
        return { result: 'unreachable', version, words: tried.words }
      case 'refused':
      case 'damaged': {
        const late = await lateCandidate(connector, entry, version, purpose, tries, signal)
        if (late !== undefined)
          return {
            result: 'works',
            version: late,
            words: `version ${late} reached the target late, and is in force now`,
          }
        const { words } = tried
        const result = tried.result === 'damaged' ? 'damaged' : 'changed-elsewhere'
        await note(address, version, result, { by, words })
        log.warn({ account: formatAccountAddress(address), version, words, result }, 'a credential does not log in')
        return { result, version, words }
      }
    }
  }
}
