/** A private key that cannot be read: the message says to people which form it has and what to do. It never quotes the key. */

export class PrivateKeyError extends Error {
  override readonly name = 'PrivateKeyError'
}

export function wrongPassphrase(form: string, given: boolean): PrivateKeyError {
  return new PrivateKeyError(
    given
      ? `The private key (${form}) cannot be read with this passphrase.`
      : `The private key (${form}) is encrypted: it needs a passphrase.`,
  )
}

export function damaged(form: string): PrivateKeyError {
  return new PrivateKeyError(
    `The private key (${form}) is damaged: it is cut off, or its parts do not belong together. Copy the whole file again.`,
  )
}
