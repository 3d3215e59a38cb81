/** What recordings need of the vault: to wrap a data key, and to sign a seal. */

/** Ed25519. The vault's signing key is one; `verify` needs only the public half. */
export interface Signer {
  readonly publicKeyPem: string
  sign(bytes: Buffer): Buffer
}

/** Wraps small secrets: what was sealed for one purpose does not open for another. */
export interface KeyWrap {
  sealBytes(purpose: string, bytes: Buffer): string
  openBytes(purpose: string, sealed: string): Buffer
}

export function dataKeyPurpose(session: string): string {
  return `recording ${session}`
}
