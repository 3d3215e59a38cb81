/**
 * The markers of recordings whose seal is not in the session records yet: one empty file each, which is renamed by the one gateway that looks
 * after a recording for another. Whoever can write to the folder can make them, so nothing is believed of them and no link is followed.
 */

import { lstat, lutimes, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import { ageOf, isMissing, makeFile } from './files.ts'
import { isRecordable, markerFile, UNSEALED_FOLDER } from './paths.ts'

/** Who is at it says so this often; after this time without a word someone else may take it over. */
const KEEP_MS = 5000
const CLAIM_MS = 4 * KEEP_MS
const CLAIM = '.sealing'

export interface Markers {
  make(session: string): Promise<void>
  /** The sessions with a marker that nobody touched for this long, or with a claim that is given up. */
  list(untouchedMs: number): Promise<string[]>
  /** True for one caller among all gateways: the marker can be renamed once. */
  claim(session: string): Promise<boolean>
  /** It is not at hand any more, for a while: the claim is found when it is old. */
  leave(session: string): void
  /** Gives a claim back: the next round finds it. */
  release(session: string): Promise<void>
  remove(session: string): Promise<void>
}

export function createMarkers({ folder, clock }: { folder: string; clock: Clock }): Markers {
  const markerOf = (session: string) => join(folder, markerFile(session))
  const keeping = new Map<string, NodeJS.Timeout>()

  function touch(path: string): Promise<void> {
    const now = clock.now() / 1000
    return lutimes(path, now, now)
  }

  function keep(session: string): true {
    leave(session)
    // Where it is gone, somebody took it over, and the seal that is there then is found.
    keeping.set(
      session,
      setInterval(() => void touch(markerOf(session) + CLAIM).catch(() => undefined), KEEP_MS).unref(),
    )
    return true
  }

  function leave(session: string): void {
    clearInterval(keeping.get(session))
    keeping.delete(session)
  }

  /** Of a directory (nobody's marker), as of nothing: undefined. */
  async function ageAt(path: string): Promise<number | undefined> {
    const status = await lstat(path).catch(undefinedIfMissing)
    return status === undefined || status.isDirectory() ? undefined : ageOf(status, clock)
  }

  return {
    async make(session) {
      await (await makeFile(markerOf(session), Buffer.alloc(0))).close()
    },

    async list(untouchedMs) {
      const found = new Set<string>()
      for (const name of await readdir(join(folder, UNSEALED_FOLDER)).catch(emptyIfMissing)) {
        const claimed = name.endsWith(CLAIM)
        const session = claimed ? name.slice(0, -CLAIM.length) : name
        if (!isRecordable(session)) continue
        const age = await ageAt(join(folder, UNSEALED_FOLDER, name))
        if (age !== undefined && age >= (claimed ? CLAIM_MS : untouchedMs)) found.add(session)
      }
      return [...found]
    },

    async claim(session) {
      const marker = markerOf(session)
      try {
        // The time first: a claim must never look old, or another would take it over.
        await touch(marker)
        await rename(marker, marker + CLAIM)
        return keep(session)
      } catch (error) {
        if (!isMissing(error)) throw error
      }
      const claimed = await ageAt(marker + CLAIM)
      if (claimed === undefined || claimed < CLAIM_MS) return false
      await touch(marker + CLAIM)
      return keep(session)
    },

    leave,

    async release(session) {
      leave(session)
      await rename(markerOf(session) + CLAIM, markerOf(session)).catch(undefinedIfMissing)
    },

    async remove(session) {
      leave(session)
      await unlink(markerOf(session)).catch(undefinedIfMissing)
      await unlink(markerOf(session) + CLAIM).catch(undefinedIfMissing)
    },
  }
}

function undefinedIfMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}

function emptyIfMissing(error: unknown): string[] {
  if (isMissing(error)) return []
  throw error
}
