/** What others need of the vault: bytes sealed for one purpose, which open for the same purpose only. */

export interface Sealer {
  sealBytes(purpose: string, bytes: Uint8Array): string
  /** Throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
  openBytes(purpose: string, sealed: string): Buffer
}
