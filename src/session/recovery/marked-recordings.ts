/** Looks after the recordings that a marker names: seals and records what was interrupted, and audits what differs from its seal. */

import type { Audit } from '../../audit/event.ts'
import type { Recordings, UnsealedRecording } from '../../recording/store/recordings.ts'
import type { FoundSeal } from '../../recording/store/seal-interrupted.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { SessionChanges } from '../records/session-changes.ts'
import type { SessionRecords } from '../records/session-records.ts'
import type { SessionStore } from '../records/session-store.ts'

interface Tampered {
  readonly file: string
  /** The session records' hash; undefined where they have none yet. */
  readonly noted: string | undefined
  readonly found: string | undefined
  readonly why: string
}

export interface MarkedRecordings {
  /** One look at each; one that cannot be dealt with now holds up no other. `living`: the gateways that write theirs themselves. */
  lookAfter(living: ReadonlySet<string>): Promise<void>
}

export function createMarkedRecordings(parts: {
  recordings: Pick<Recordings, 'findUnsealed' | 'sealInterrupted' | 'compare' | 'noted' | 'release'>
  store: Pick<SessionStore, 'get'>
  changes: Pick<SessionChanges, 'noteSeal'>
  sessionRecords: SessionRecords
  audit: Audit
  metrics: Pick<Metrics, 'recordingsTampered'>
  log: Log
}): MarkedRecordings {
  const { recordings, store, changes, sessionRecords, audit, metrics, log } = parts

  async function lookAt(unsealed: UnsealedRecording, living: ReadonlySet<string>): Promise<void> {
    const { session, file } = unsealed
    const row = await store.get(session)
    if (row !== undefined && row.state !== 'ended' && living.has(row.gateway)) return
    const notes = await sessionRecords.sealNotes(session)
    // The audit log's, where it has one: it is signed.
    const noted = (notes.find(({ place }) => place === 'audit') ?? notes[0])?.hash
    if (noted === undefined) {
      // Of a session that this store does not know nothing is signed.
      if (row === undefined) return
      if (!(await wasTampered(session))) return sealAndNote(unsealed)
      metrics.recordingsTampered.inc()
      return recordings.noted(session)
    }
    const compared = await recordings.compare(session, noted)
    if (compared === undefined) return
    const others = notes.some(({ hash }) => hash !== noted)
    if (!compared.same) await report(session, { file, noted, found: compared.found, why: compared.why })
    else if (others)
      await report(session, { file, noted, found: noted, why: 'the session records have several hashes of it' })
    await recordings.noted(session)
  }

  async function sealAndNote(unsealed: UnsealedRecording): Promise<void> {
    const { session, file } = unsealed
    let sealed: FoundSeal | undefined
    try {
      sealed = await recordings.sealInterrupted(unsealed)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      await report(session, { file, noted: undefined, found: undefined, why: error.message })
      return recordings.noted(session)
    }
    if (sealed === undefined) return
    // Where the session records have another one by now, the next round compares.
    if (await changes.noteSeal(session, sealed)) await recordings.noted(session)
    else await recordings.release(session)
  }

  /** Known from when it was written, or found: no signature may make it good. */
  async function wasTampered(session: string): Promise<boolean> {
    return (await sessionRecords.events(session, ['recording.tampered'])).length > 0
  }

  /** Once for each thing found: who can make markers must not fill the audit log. */
  async function report(session: string, { file, noted, found, why }: Tampered): Promise<void> {
    const data = { file, noted: noted ?? null, found: found ?? null, why }
    const recorded = await sessionRecords.events(session, ['recording.tampered'])
    if (recorded.at(-1)?.data === JSON.stringify(data)) return
    log.error({ session, ...data }, 'a recording is not what was sealed')
    metrics.recordingsTampered.inc()
    await audit.append({ kind: 'recording.tampered', actor: 'gateway', session, data })
  }

  return {
    async lookAfter(living) {
      for (const unsealed of await recordings.findUnsealed()) {
        await lookAt(unsealed, living).catch(async error => {
          log.error({ err: error, session: unsealed.session }, 'a recording cannot be looked after now; trying again')
          await recordings.release(unsealed.session).catch(() => undefined)
        })
      }
    },
  }
}
