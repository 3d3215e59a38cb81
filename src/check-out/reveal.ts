/** Shows a person the credential that they have checked out: once, by a fresh second factor, and never before that is audited. */

import { GatewayError } from '../shared/errors.ts'
import { formatAccountAddress } from '../shared/names.ts'
import type { Secret } from '../shared/secret.ts'
import { loginOf } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'
import { eraseMaterial } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import { encryptTo } from './age.ts'
import { type CheckOut, isOpen } from './check-out.ts'
import type { CheckOuts, NotRevealed } from './check-outs.ts'
import { credentialText } from './credential-text.ts'
import type { Asker } from './terms.ts'

export interface RevealWish {
  /** `cho_…` */
  readonly checkOut: string
  /** A public key of age; not given: the text itself. */
  readonly toAge?: string | undefined
}

export interface Revealed {
  readonly kind: CredentialMaterial['kind']
  readonly version: number
  /** The name at the target that it is for. */
  readonly login: string
  /** Whoever gets it erases it. */
  readonly shown: { readonly as: 'text'; readonly text: Secret } | { readonly as: 'age'; readonly text: string }
}

/** `prove`: whether the code that was asked for this act is right; it counts for the lockout. */
export type Reveal = (person: Asker, wish: RevealWish, prove: () => Promise<boolean>) => Promise<Revealed>

interface Parts {
  readonly checkOuts: Pick<CheckOuts, 'get' | 'termsFor' | 'noteRevealed' | 'refused' | 'clock'>
  readonly vault: Pick<Vault, 'standing' | 'openVersion'>
}

/**
 * Throws `BAD_REQUEST`, `NOT_FOUND`, `CONFLICT` where it was shown before, `ACCESS_DENIED`, `CREDENTIAL_UNAVAILABLE` and `AUDIT_UNAVAILABLE`. What
 * happens after it was noted does not undo that: the credential counts as seen, and is changed at the end.
 */
export function createReveal({ checkOuts, vault }: Parts): Reveal {
  async function theirs(person: Asker, id: string): Promise<CheckOut> {
    const found = await checkOuts.get(id)
    if (found === undefined || found.user !== person.user || !isOpen(found, checkOuts.clock.now()))
      throw new GatewayError('NOT_FOUND', 'You have no such check-out.')
    if (found.way !== 'reveal')
      throw new GatewayError(
        'BAD_REQUEST',
        'It was checked out for sessions. Check it in, and out again with --reveal.',
      )
    if (found.revealedAt !== undefined) throw notRevealed('shown-before', formatAccountAddress(found))
    return found
  }

  return async (person, { checkOut: id, toAge }, prove) => {
    const encrypt = toAge === undefined ? undefined : await encryptTo(toAge)
    const checkOut = await theirs(person, id)
    const { account, target: name } = checkOut
    const address = { account, target: name }
    const { target } = await checkOuts.termsFor(person, address, 'reveal')
    if (!(await prove())) {
      await checkOuts.refused(person, address, 'the second factor for showing its credential was wrong')
      throw new GatewayError('ACCESS_DENIED', 'The one-time code is not right, or has counted already.')
    }
    const standing = await vault.standing(address)
    if (standing === undefined || standing.unconfirmed !== undefined)
      throw new GatewayError(
        'CREDENTIAL_UNAVAILABLE',
        `The vault has no credential of ${formatAccountAddress(address)} to show. Ask the administrator of the gateway.`,
      )
    const { version } = standing
    const noted = await checkOuts.noteRevealed(checkOut, { version, to: toAge ?? 'terminal' }, person.session)
    if (typeof noted === 'string') throw notRevealed(noted, formatAccountAddress(address))
    const material = await vault.openVersion(address, version, target)
    try {
      const entry = target.accounts.find(each => each.name === account)
      const facts = { kind: material.kind, version, login: loginOf(entry ?? { name: account }, material) }
      const text = credentialText(material)
      if (encrypt === undefined) return { ...facts, shown: { as: 'text', text } }
      const armored = await encrypt(text.revealBytes()).finally(() => text.erase())
      return { ...facts, shown: { as: 'age', text: armored } }
    } finally {
      eraseMaterial(material)
    }
  }
}

function notRevealed(why: NotRevealed, name: string): GatewayError {
  switch (why) {
    case 'shown-before':
      return new GatewayError('CONFLICT', 'It was shown already, and it is shown once. Check it in, and out again.')
    case 'over':
      return new GatewayError('NOT_FOUND', `Your check-out of ${name} has ended; nothing was shown.`)
    case 'rotating':
      return new GatewayError(
        'CONFLICT',
        `The credential of ${name} is being changed at its target now; nothing was shown. Ask again in a minute, with another code.`,
      )
  }
}
