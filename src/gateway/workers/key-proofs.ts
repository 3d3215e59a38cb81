/** Which session here each connection has proven a key for: what was signed for one is worth nothing for another. */

export interface KeyProofs {
  /** Whether the connection's signatures are this session's: of the first one that shows one. */
  isOf(connection: string, session: string): boolean
}

/** Those of long ago are forgotten first. */
const MOST = 200_000

export function createKeyProofs(): KeyProofs {
  const sessions = new Map<string, string>()
  return {
    isOf(connection, session) {
      const known = sessions.get(connection)
      if (known !== undefined) return known === session
      sessions.set(connection, session)
      for (const oldest of sessions.keys()) {
        if (sessions.size <= MOST) break
        sessions.delete(oldest)
      }
      return true
    },
  }
}
