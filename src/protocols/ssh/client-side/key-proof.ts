/** What a user's key has signed to log in (RFC 4252 §7), verified where the login is decided and not only where it was received. */

import type { ProofOf, SignedProof } from '../../../identity/proof.ts'
import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { serverCookieIn } from '../transport/hashed-exchange.ts'
import { MESSAGE } from '../transport/messages.ts'
import { verifyUserSignature } from '../transport/user-key.ts'

/**
 * Whether the key has signed for this login name, on the SSH connection whose first message from the server had `nonce` as its cookie: what was
 * signed on any other, also long ago, is not.
 */
export function keySignedFor({ blob, signed }: ProofOf<'publickey'>, login: string, nonce: Buffer): boolean {
  if (signed?.beginning === undefined) return false
  const { algorithm, data, signature } = signed
  const session = sessionIn(blob, signed, login)
  return (
    session !== undefined &&
    serverCookieIn(signed.beginning, session)?.equals(nonce) === true &&
    verifyUserSignature(blob, algorithm, signature, data)
  )
}

/** The id of the SSH session in the request that was signed; undefined where it is none of this key and login name. */
function sessionIn(blob: Buffer, { algorithm, data }: SignedProof, login: string): Buffer | undefined {
  try {
    const fields = new WireReader(data)
    const session = fields.string()
    const isRequest =
      fields.byte() === MESSAGE.USERAUTH_REQUEST &&
      fields.utf8() === login &&
      fields.utf8() === 'ssh-connection' &&
      fields.utf8() === 'publickey' &&
      fields.boolean() &&
      fields.utf8() === algorithm &&
      fields.string().equals(blob) &&
      fields.atEnd
    return isRequest ? session : undefined
  } catch {
    return undefined
  }
}
