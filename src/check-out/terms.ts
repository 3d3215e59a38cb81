/** What policy gives somebody of an account, or why it gives nothing: audited, in words for them. */

import type { AuditAppender } from '../audit/event.ts'
import type { PrincipalFacts } from '../identity/principal.ts'
import type { CheckOutTerms } from '../policy/check-out.ts'
import type { Access } from '../session/access.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import { events } from './events.ts'

/** Who asks, as policy knows them now; `session`: the login in which they do. */
export interface Asker extends PrincipalFacts {
  readonly session?: string
}

/** Policy says no. `missing`: it would say yes if these were proven as well. */
export class NotAllowed extends GatewayError {
  readonly missing: readonly string[]

  constructor(message: string, missing: readonly string[] = []) {
    super('ACCESS_DENIED', message)
    this.missing = missing
  }
}

export type TermsFor = (person: Asker, address: AccountAddress, way?: CheckOutWay) => Promise<CheckOutTerms>

/** Throws `NotAllowed`. */
export function createTermsFor({
  access,
  audit,
}: {
  access: Pick<Access, 'checkOutTerms'>
  audit: Pick<AuditAppender, 'append'>
}): TermsFor {
  return async (person, address, way) => {
    const terms = await access.checkOutTerms(person, address)
    const name = formatAccountAddress(address)
    const no =
      terms.granted && way !== undefined && !terms.ways.has(way)
        ? way === 'reveal'
          ? `None of your roles lets you see the credential of ${name}.`
          : `None of your roles lets you check out ${name} for sessions; one lets you see its credential (--reveal).`
        : undefined
    if (terms.granted && no === undefined) return terms
    const refusal = terms.granted ? { message: no!, detail: no! } : terms
    await audit.append(events.refused(person, address, refusal.detail))
    throw new NotAllowed(refusal.message, terms.granted ? undefined : terms.missing)
  }
}
