/** The secrets that were opened in one act of the gateway, so that no words of that act hold any of them; erased with it. */

import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { Secret } from '../shared/secret.ts'
import { type CredentialMaterial, secretsOf } from '../vault/lease.ts'
import { safeWords } from './words.ts'

export class OpenedSecrets {
  readonly #byVersion = new Map<string, readonly Secret[]>()

  /** Keeps copies: whoever opened it erases it as soon as it was used. */
  add(address: AccountAddress, version: number, material: CredentialMaterial): void {
    const key = `${formatAccountAddress(address)} ${version}`
    if (this.#byVersion.has(key)) return
    this.#byVersion.set(
      key,
      secretsOf(material).map(secret => new Secret(secret.revealBytes())),
    )
  }

  get all(): Secret[] {
    return [...this.#byVersion.values()].flat()
  }

  /** What a target, or a program, said in this act, as it may be stored and shown. */
  safe(words: string): string {
    return safeWords(words, this.all)
  }

  [Symbol.dispose](): void {
    for (const secret of this.all) secret.erase()
    this.#byVersion.clear()
  }
}
