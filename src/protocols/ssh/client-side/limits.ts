/** The bounds of the SSH side: how long and how often one may try, and how much one session may hold. */

export interface SshLimits {
  /** From the connection to the last proof of the user. */
  readonly loginGraceMs: number
  /** Wrong proofs on one connection. */
  readonly maxAuthTries: number
  /** Channels open at the same time in one session. */
  readonly maxChannels: number
  /** New keys after so many bytes or milliseconds (RFC 4253 §9). */
  readonly rekeyBytes: number
  readonly rekeyMs: number
}

/** How many keys a client may ask about or offer before it is sent away: agents hold many, guesses are more. */
export const MAX_KEYS_ASKED = 32
