/** The doctor's round once a day: one of the gateways goes, and all of them show what it found. */

import type { ChainHead } from '../../audit/chain/chain.ts'
import type { Audit } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { type DoctorParts, type DoctorReport, examineAll, START } from './doctor.ts'
import { FINDING_ADVICE, FINDING_CODES, type Finding } from './finding.ts'

/** What the last round left for the next, and for the metrics of all gateways. */
export interface RoundState {
  /** Milliseconds since the epoch; 0: there was none yet. */
  readonly finishedAt: number
  readonly counts: DoctorReport['counts']
  readonly readUpTo: string
  readonly chain: ChainHead
}

export interface DoctorRounds {
  state(): Promise<RoundState>
  /** Goes now if a round is due and no other gateway is at it; brings the metrics up to date. True when it went. */
  look(): Promise<boolean>
  close(): Promise<void>
}

const LOOK_EVERY_MS = 10 * 60_000
/** At the start there is other work. */
const FIRST_LOOK_MS = 60_000
/** A gateway that dies in its round holds it up so long. */
const CLAIM_MS = 30 * 60_000
const MAX_LISTED = 50

export function createDoctorRounds(parts: {
  readonly doctor: DoctorParts
  readonly gateway: string
  readonly everyMs: number
  /** How much of the recordings each round reads whole. */
  readonly readAtMostBytes: number
  readonly audit: Audit
  readonly metrics: Pick<Metrics, 'doctorFindings' | 'doctorRoundAt'>
  readonly log: Log
}): DoctorRounds {
  const { doctor, gateway, everyMs, readAtMostBytes, audit, metrics, log } = parts
  const { database, clock } = doctor
  const table = createRoundTable(database, clock, gateway)
  const closing = new AbortController()
  let looking: Promise<boolean> | undefined

  async function go(): Promise<void> {
    const before = await table.read()
    const listed: Finding[] = []
    const round = examineAll(doctor, {
      read: { after: before.readUpTo, atMostBytes: readAtMostBytes },
      chainFrom: before.chain,
      gentle: true,
      signal: closing.signal,
    })
    let claimedAt = clock.now()
    let step = await round.next()
    for (; step.done !== true; step = await round.next()) {
      const { code, session, what } = step.value
      if (listed.length < MAX_LISTED) {
        listed.push(step.value)
        log.warn({ code, session, next: FINDING_ADVICE[code] }, `doctor: ${what}`)
      }
      if (clock.now() - claimedAt < CLAIM_MS / 4) continue
      claimedAt = clock.now()
      await table.renew(CLAIM_MS)
    }
    const { counts, readUpTo, chain, ...numbers } = step.value
    await audit.append({ kind: 'doctor.round', actor: 'gateway', data: { ...numbers, counts, first: listed } })
    await table.finish({ counts, readUpTo, chain: chain ?? before.chain })
    log.info({ ...numbers, counts }, 'the doctor has made the round')
  }

  async function lookOnce(): Promise<boolean> {
    let went = false
    if (await table.claim(everyMs, CLAIM_MS)) {
      went = true
      await go().catch(async error => {
        await table.giveBack().catch(() => undefined)
        if (!closing.signal.aborted) throw error
      })
    }
    const { finishedAt, counts } = await table.read()
    if (finishedAt > 0) {
      for (const code of FINDING_CODES) metrics.doctorFindings.set({ kind: code }, counts[code] ?? 0)
      metrics.doctorRoundAt.set(finishedAt / 1000)
    }
    return went
  }

  function look(): Promise<boolean> {
    looking ??= lookOnce()
      .catch(error => {
        if (!closing.signal.aborted) log.error({ err: error }, 'the doctor could not make the round; trying again')
        return false
      })
      .finally(() => {
        looking = undefined
      })
    return looking
  }

  const first = setTimeout(look, FIRST_LOOK_MS).unref()
  const timer = setInterval(look, LOOK_EVERY_MS).unref()
  return {
    state: table.read,
    look,
    async close() {
      closing.abort()
      clearTimeout(first)
      clearInterval(timer)
      await looking
    },
  }
}

/** The one place with SQL on `doctor_round`: one row, `id` 1. */
function createRoundTable(database: Database, clock: Clock, gateway: string) {
  const update = () => database.updateTable('doctor_round').where('id', '=', 1)
  return {
    async read(): Promise<RoundState> {
      const row = await database.selectFrom('doctor_round').selectAll().where('id', '=', 1).executeTakeFirstOrThrow()
      const chain = { seq: row.chain_seq, hash: row.chain_hash }
      return {
        finishedAt: row.finished_at,
        counts: JSON.parse(row.counts),
        readUpTo: row.read_up_to,
        chain: chain.hash === '' ? START : chain,
      }
    },
    /** True for one gateway, when a round is due. */
    async claim(everyMs: number, forMs: number): Promise<boolean> {
      const now = clock.now()
      const result = await update()
        .set({ claimed_by: gateway, claimed_until: now + forMs })
        .where('finished_at', '<=', now - everyMs)
        .where('claimed_until', '<', now)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    async renew(forMs: number): Promise<void> {
      await update()
        .set({ claimed_until: clock.now() + forMs })
        .where('claimed_by', '=', gateway)
        .execute()
    },
    async giveBack(): Promise<void> {
      await update().set({ claimed_until: 0 }).where('claimed_by', '=', gateway).execute()
    },
    async finish({ counts, readUpTo, chain }: Omit<RoundState, 'finishedAt'>): Promise<void> {
      await update()
        .set({
          ...{ finished_at: clock.now(), claimed_until: 0, counts: JSON.stringify(counts), read_up_to: readUpTo },
          ...{ chain_seq: chain.seq, chain_hash: chain.hash },
        })
        .execute()
    },
  }
}
