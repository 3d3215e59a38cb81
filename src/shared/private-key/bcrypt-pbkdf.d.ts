/** The package, which ssh2 uses as well, has no types of its own. */
declare module 'bcrypt-pbkdf' {
  const bcrypt: { pbkdf: typeof pbkdf }
  export default bcrypt
  /** Fills `derived`; gives another number than 0 for parameters that it does not take. */
  function pbkdf(
    password: Uint8Array,
    passwordBytes: number,
    salt: Uint8Array,
    saltBytes: number,
    derived: Uint8Array,
    derivedBytes: number,
    rounds: number,
  ): number
}
