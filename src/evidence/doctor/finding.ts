/** What the doctor may find: stable codes, and for each what to do next. */

/** The codes are part of the API: none is renamed. */
export const FINDING_ADVICE = {
  'session-missing': 'A row was deleted from the store, or an old backup was put back: compare with a backup.',
  'session-unfinished':
    'Its gateway is gone and nobody has ended it: is another gateway running, and does it reach store and cluster?',
  'session-changed':
    'A row of the store was changed: the audit log is signed, so believe it, and ask who can write the store.',
  'session-start-doubled': 'Look at its events: sallyport audit list --session ID.',
  'session-end-untold':
    'The audit log never got its end: is the audit log written (healthz), or was an event deleted (audit verify)?',
  'session-end-doubled': 'Look at its events: sallyport audit list --session ID.',
  'lease-missing': 'A row was deleted from the store, or an old backup was put back: compare with a backup.',
  'lease-doubled': 'One session borrows each credential once: look at its events, sallyport audit list --session ID.',
  'lease-open':
    'The session is over and its lease is not: restart a gateway, which ends what was left; if it stays, report it.',
  'lease-untold': 'The audit log does not know of this loan: was an event deleted (audit verify), or a row added?',
  'lease-end-untold':
    'The audit log never got its end: is the audit log written (healthz), or was an event deleted (audit verify)?',
  'lease-end-doubled': 'Look at its events: sallyport audit list --session ID.',
  'recording-missing':
    'Bring the file back from the backup; the audit log has its hash. Nobody but an administrator of the folder can delete it.',
  'recording-cut': 'Bring the file back from the backup, and ask who can write the folder.',
  'recording-altered':
    'Bring the file back from the backup, and ask who can write the folder. sallyport session verify names the place.',
  'recording-replaced': 'Bring the file back from the backup, and ask who can write the folder.',
  'recording-unsealed': 'The session ended, and nobody seals it: look for this session in the log of the gateways.',
  'recording-foreign': 'No session of this store has it: where does it come from? It was not made by these gateways.',
  'recording-doubled': 'A second file of a session: take the copy away.',
  'seal-untold':
    'The row has a hash that the audit log does not have: was the row changed, or an event deleted (audit verify)?',
  'seal-doubled':
    'Two seals of one recording are noted: one of them is not the true one. Compare the file with a backup.',
  'seal-differs':
    'The row was changed, or the seal was noted twice: believe the audit log, and ask who can write the store.',
  'event-altered':
    'An event of the audit log was changed: run sallyport audit verify, and ask who can write the store.',
  'audit-broken': 'Run sallyport audit verify, and compare with the copy and the heads elsewhere.',
  'history-altered':
    'What the store says of a version (when, why, by whom, verified, pinned) was changed: believe the audit log, and ask who can write the store.',
  'row-foreign': 'A row that no gateway writes: ask who can write the store.',
} as const

export type FindingCode = keyof typeof FINDING_ADVICE
export const FINDING_CODES = Object.keys(FINDING_ADVICE) as FindingCode[]

export interface Finding {
  readonly code: FindingCode
  readonly session: string | null
  /** What is wrong, in one line. */
  readonly what: string
}
