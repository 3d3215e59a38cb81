/** What is known of the end of access that was given for a time: what was seen to be gone, what is left, and what nobody could see. */

import type { Remains } from '../../session/remains.ts'

/** `unknown` is never taken for closed. */
export type Seen = 'closed' | 'open' | 'unknown'

export interface AttestedSession {
  readonly session: string
  /** `root@web-01` */
  readonly account: string
  readonly endReason: string | null
  /** The sockets, as the process that had them saw them. */
  readonly client: Seen
  readonly target: Seen
  /** What the target itself says of it; `not-asked`: no rotation policy has it asked. */
  readonly atTarget: Remains | 'not-asked'
}

export interface AttestedCheckOut {
  readonly checkOut: string
  readonly account: string
  readonly state: 'returned' | 'open'
}

/** Of an account whose policy has its credential changed after sessions or check-outs. */
export interface AttestedRotation {
  readonly account: string
  readonly state: 'rotated' | 'waiting' | 'failed'
  readonly words: string
}

export interface Findings {
  readonly sessions: readonly AttestedSession[]
  /** How many there were, where these are not all of them. */
  readonly sessionsInAll?: number
  readonly checkOuts: readonly AttestedCheckOut[]
  readonly rotations: readonly AttestedRotation[]
}

/** `closed`: all sockets are, and the target was not asked; `gone`: it was, and has nothing of it any more. */
export const RESULTS = ['gone', 'closed', 'left', 'unknown'] as const
export type AttestationResult = (typeof RESULTS)[number]

export interface Attestation extends Findings {
  readonly request: string
  readonly result: AttestationResult
  /** Milliseconds since the epoch: when it was last looked. */
  readonly at: number
}

/** What is there that should not be, and what is not known, in words. */
export function leftAndUnknown({ sessions, checkOuts, rotations }: Findings): { left: string[]; unknown: string[] } {
  const left: string[] = []
  const unknown: string[] = []
  for (const { session, account, client, target, atTarget } of sessions) {
    const of = `of ${session} on ${account}`
    for (const [side, seen] of [
      ['client', client],
      ['target', target],
    ] as const) {
      if (seen === 'open') left.push(`the connection to the ${side} ${of}`)
      if (seen === 'unknown') unknown.push(`whether the connection to the ${side} is closed ${of}`)
    }
    if (atTarget === 'not-asked') continue
    if (atTarget.is === 'unknown') {
      unknown.push(`what is left at the target ${of}: ${atTarget.words}`)
      continue
    }
    if (atTarget.connection === 'open') left.push(`what the target runs for the connection ${of}`)
    if (atTarget.connection === 'unknown') unknown.push(`whether the target still runs the connection ${of}`)
    for (const { id, what } of atTarget.left) left.push(`${what} (${id}) ${of}`)
  }
  for (const { checkOut, account, state } of checkOuts)
    if (state === 'open') left.push(`the check-out ${checkOut} of ${account}`)
  for (const { account, state, words } of rotations) {
    if (state === 'failed') left.push(`the credential of ${account} as it was: ${words}`)
    if (state === 'waiting') unknown.push(`whether the credential of ${account} is changed: ${words}`)
  }
  return { left, unknown }
}

/** Nothing is left of it, nor unknown. */
export function isClean(session: AttestedSession): boolean {
  const { left, unknown } = leftAndUnknown({ sessions: [session], checkOuts: [], rotations: [] })
  return left.length === 0 && unknown.length === 0
}

export function resultOf(findings: Findings): AttestationResult {
  const { left, unknown } = leftAndUnknown(findings)
  if (left.length > 0) return 'left'
  if (unknown.length > 0) return 'unknown'
  return findings.sessions.some(({ atTarget }) => atTarget === 'not-asked') ? 'closed' : 'gone'
}

/** A request that nothing rested on is attested as well: what of it is shown. */
export function attestationDocument({ result, at, sessions, checkOuts, rotations }: Attestation) {
  const { left, unknown } = leftAndUnknown({ sessions, checkOuts, rotations })
  return {
    result,
    at: new Date(at).toISOString(),
    left,
    unknown,
    sessions: sessions.map(({ atTarget, ...one }) => ({
      ...one,
      atTarget:
        atTarget === 'not-asked' ? atTarget : atTarget.is === 'unknown' ? ('unknown' as const) : atTarget.connection,
    })),
    checkOuts: [...checkOuts],
    rotations: [...rotations],
  }
}
export type AttestationDocument = ReturnType<typeof attestationDocument>

/** In a line: what was proven, or what was not. */
export function attestationText({ result, left, unknown }: AttestationDocument): string {
  switch (result) {
    case 'gone':
      return 'nothing of it is left, here or at the targets'
    case 'closed':
      return 'all connections are closed; what is left at the targets was not asked'
    case 'left':
      return `left: ${[...left, ...unknown.map(words => `unknown: ${words}`)].join('; ')}`
    case 'unknown':
      return `unknown: ${unknown.join('; ')}`
  }
}
