/** What a user's key has signed to log in (RFC 4252 §7), verified where the login is decided and not only where it was received. */

import type { ProofOf } from '../../../identity/proof.ts'
import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { MESSAGE } from '../transport/messages.ts'
import { verifyUserSignature } from '../transport/user-key.ts'

/** The id of the SSH session that the key has signed for this login name, in hex; undefined where it has not. */
export function sessionOfKeyProof({ blob, signed }: ProofOf<'publickey'>, login: string): string | undefined {
  if (signed === undefined) return undefined
  const { algorithm, data, signature } = signed
  try {
    const fields = new WireReader(data)
    const session = fields.string().toString('hex')
    const isRequest =
      fields.byte() === MESSAGE.USERAUTH_REQUEST &&
      fields.utf8() === login &&
      fields.utf8() === 'ssh-connection' &&
      fields.utf8() === 'publickey' &&
      fields.boolean() &&
      fields.utf8() === algorithm &&
      fields.string().equals(blob) &&
      fields.atEnd
    return isRequest && session !== '' && verifyUserSignature(blob, algorithm, signature, data) ? session : undefined
  } catch {
    return undefined
  }
}
