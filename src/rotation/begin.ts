/** Begins a rotation: the candidate is stored, sealed, in one transaction with the journal's first entry. */

import type { Outbox } from '../audit/chain/outbox.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { Secret } from '../shared/secret.ts'
import type { Vault } from '../vault/vault.ts'
import { makeCandidate } from './candidate.ts'
import type { Connectors } from './connectors.ts'
import { defaultPolicy } from './default-policy.ts'
import { forNextTurn } from './dual.ts'
import type { Journal, NewRotation, Rotation } from './journal.ts'
import { type Entry, type Logins, Opened, type Purpose } from './logins.ts'
import type { RotationPolicy } from './policies/rotation-policy.ts'
import { notMeant } from './program/connector.ts'
import { newestVersion } from './stored-version.ts'

/** Somebody else began one in this moment. */
class AlreadyOpen extends Error {}

/** What a rotation would be of. */
export interface Plan {
  readonly entry: Entry
  /** Undefined: the account is under none, and rotates by hand alone. */
  readonly policy: RotationPolicy | undefined
  /** The version in force. */
  readonly former: number
  readonly connector: string
}

interface Parts {
  readonly journal: Journal
  readonly outbox: Outbox
  readonly logins: Logins
  readonly vault: Pick<Vault, 'prepareVersion' | 'history'>
  readonly connectors: Connectors
}

/** Undefined where one is open meanwhile: nothing is stored then. Throws `BAD_REQUEST`, `VAULT_DAMAGED`, `CREDENTIAL_UNAVAILABLE`. */
export async function beginRotation(
  { journal, outbox, logins, vault }: Parts,
  { entry, policy, former, connector }: Plan,
  { way, trigger, by }: Pick<NewRotation, 'way' | 'trigger' | 'by'>,
): Promise<Rotation | undefined> {
  const address = { account: entry.account.name, target: entry.target.name }
  using current = await openLike({ logins, vault }, entry, former, { by, for: way })
  using candidate = new Opened(
    await makeCandidate(forNextTurn(entry.account, current.material), (policy ?? defaultPolicy).password),
  )
  const cause = way === 'reconcile' ? 'reconciled' : 'rotated'
  const given = { ...address, way, former, trigger, by, connector, policy: policy?.name }
  let begun: Rotation | undefined
  try {
    await vault.prepareVersion(address, candidate.material, { by, cause, trigger }, write =>
      outbox.change(async (on, record) => {
        const written = await write(on)
        if (written === false) return written
        begun = await journal.begin(on, record, given, await newestVersion(on, address))
        if (begun === undefined) throw new AlreadyOpen()
        return written
      }),
    )
  } catch (error) {
    if (error instanceof AlreadyOpen) return undefined
    throw error
  }
  return begun
}

/** The first connector that changes what is in force, where the policy names none. Throws `BAD_REQUEST` where there is none. */
export async function chooseConnector(
  { vault, connectors }: { readonly vault: Pick<Vault, 'history'>; readonly connectors: Connectors },
  entry: Entry,
  former: number,
  name: string | undefined,
): Promise<string> {
  const address = { account: entry.account.name, target: entry.target.name }
  const kind = await kindOf(vault, address, former)
  const connector = connectors.choose(entry.target, kind, name)
  if (connector !== undefined) {
    if (connector.isMeantFor?.(address) === false)
      throw new GatewayError('BAD_REQUEST', `The connector ${notMeant(connector.name, address)}.`)
    return connector.name
  }
  throw new GatewayError(
    'BAD_REQUEST',
    name === undefined
      ? `No connector of the protocol ${entry.target.protocol} changes a ${kind} (${formatAccountAddress(address)}); name one in a rotation-policy.`
      : `The connector ${name}, which the policy names, does not change a ${kind} on a target of the protocol ${entry.target.protocol} (${formatAccountAddress(address)}).`,
  )
}

/** As its row says: it need not open. */
async function kindOf(vault: Pick<Vault, 'history'>, address: AccountAddress, version: number) {
  const found = (await vault.history(address)).find(each => each.version === version)
  if (found !== undefined) return found.kind
  throw new GatewayError('NOT_FOUND', `The vault holds no version ${version} of ${formatAccountAddress(address)}.`)
}

/** What a candidate is made after. A version that does not open any more can be reconciled: then its kind is all that is known of it. */
async function openLike(
  { logins, vault }: Pick<Parts, 'logins' | 'vault'>,
  entry: Entry,
  version: number,
  purpose: Purpose,
): Promise<Opened> {
  const address = { account: entry.account.name, target: entry.target.name }
  const opened = await logins.open(address, version, entry.target, purpose)
  if (opened instanceof Opened) return opened
  if (opened.result === 'damaged' && purpose.for === 'reconcile') {
    const nothing = new Secret('')
    const kind = await kindOf(vault, address, version)
    return new Opened(kind === 'password' ? { kind, password: nothing } : { kind, privateKey: nothing })
  }
  const code = opened.result === 'damaged' ? 'VAULT_DAMAGED' : 'CREDENTIAL_UNAVAILABLE'
  throw new GatewayError(code, `Version ${version} of ${formatAccountAddress(address)} does not open: ${opened.words}`)
}
