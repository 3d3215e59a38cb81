/** The hash of a recording in the session records, and the comparison with that of a file. */

/** `audit`: in the event of this number. */
export type SealNote =
  | { readonly place: 'session'; readonly hash: string }
  | { readonly place: 'audit'; readonly event: number; readonly hash: string }

export interface Comparison {
  readonly result: 'matches' | 'differs' | 'not-compared'
  /** For people: `matches the audit log`. */
  readonly text: string
}

/** `hash`: the last link that holds in the file; undefined where nothing does. */
export function compareWithNotes(hash: string | undefined, notes: readonly SealNote[]): Comparison {
  const other = notes.find(note => note.hash !== hash)
  if (other !== undefined) {
    const place = other.place === 'audit' ? `the audit log: event ${other.event}` : "the session's row: it"
    return { result: 'differs', text: `differs from ${place} has the hash ${other.hash}` }
  }
  if (notes.length === 0) return notCompared('the session records have no seal of this session yet')
  const inAudit = notes.some(note => note.place === 'audit')
  return {
    result: 'matches',
    text: `matches ${inAudit ? 'the audit log' : "the session's row (not in the audit log)"}`,
  }
}

export function notCompared(why: string): Comparison {
  return { result: 'not-compared', text: `not compared: ${why}` }
}
