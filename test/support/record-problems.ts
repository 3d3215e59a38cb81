/** Relates leases, sessions, recordings and audit log of a store to each other: what is missing, doubled or different. */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from '../../src/database/database.ts'
import { recordingFile, UNSEALED_FOLDER } from '../../src/recording/store/paths.ts'
import { verifyRecording } from '../../src/recording/store/verify.ts'
import { createSessionRecords } from '../../src/session/records/session-records.ts'
import { createSessionStore } from '../../src/session/records/session-store.ts'
import { systemClock as clock } from '../../src/shared/clock.ts'

export interface BooksPlace {
  readonly database: Database
  /** Of the recordings. */
  readonly folder: string
  readonly publicKeyPem: string
}

/** Empty when all sessions have ended and each has exactly what it should have. */
export async function recordProblems({ database, folder, publicKeyPem }: BooksPlace): Promise<string[]> {
  const problems: string[] = []
  const must = (good: boolean, what: string) => {
    if (!good) problems.push(what)
  }
  const sessions = createSessionStore({ database, clock, gateway: 'gw_test' })
  const sessionRecords = createSessionRecords({ database, sessions, publicKeyPem })
  const leases = await database.selectFrom('leases').selectAll().execute()
  const events = await database.selectFrom('audit_events').selectAll().orderBy('seq').execute()
  const rows = await database.selectFrom('sessions').selectAll().execute()
  const waiting = await database.selectFrom('audit_outbox').selectAll().execute()
  const markers = join(folder, UNSEALED_FOLDER)
  must(waiting.length === 0, `${waiting.length} events wait in the outbox`)
  must(!existsSync(markers) || readdirSync(markers).length === 0, 'markers are left')

  for (const session of new Set(
    [...leases, ...events, ...rows].map(row => ('session' in row ? row.session : row.id)),
  )) {
    if (session === null) continue
    const row = rows.find(({ id }) => id === session)
    const wrong = (what: string) => `${session}: ${what} (${JSON.stringify(row)})`
    const each = row === undefined ? 0 : 1
    const own = leases.filter(lease => lease.session === session)
    must(own.length === each && own.every(({ ended_at }) => ended_at !== null), wrong('its lease'))
    const told = (kind: string) => events.filter(event => event.session === session && event.kind === kind)
    for (const kind of ['lease.started', 'lease.ended', 'session.ended']) must(told(kind).length === each, wrong(kind))
    must(told('session.started').length <= each, wrong('session.started'))
    const mended = events.filter(event => event.session === session && JSON.parse(event.data).mended !== undefined)
    must(mended.length === 0, wrong('mended, as only what earlier versions left should be'))
    must(told('recording.tampered').length === 0, wrong('recording.tampered'))
    if (row === undefined) continue
    const [ended] = told('session.ended')
    must(row.state === 'ended' && row.end_reason === JSON.parse(ended?.data ?? '{}').reason, wrong('its reason'))
    const path = join(folder, recordingFile(session))
    if (!existsSync(path)) {
      must(row.recording_hash === null, wrong('a hash, and no recording'))
      continue
    }
    const file = await verifyRecording(path, publicKeyPem)
    must(file.ok && file.hash === row.recording_hash, wrong(`the seal ${file.hash} ${file.firstBad?.why}`))
    must(file.reason === row.end_reason, wrong(`the seal's reason ${file.reason}`))
    const notes = (await sessionRecords.sealNotes(session)).filter(({ place }) => place === 'audit')
    must(notes.length === 1 && notes[0]!.hash === file.hash, wrong('the seal in the audit log'))
  }
  return problems
}
