/** Ends the sessions of this gateway that rest on a request which is over, within a second, also where whoever ended it could not tell: the cluster was away, or they died. */

import type { LiveSession } from '../session/live/live-sessions.ts'
import type { Log } from '../shared/log.ts'
import type { RequestRows } from './request-rows.ts'

const EVERY_MS = 1000

interface Parts {
  /** In whichever worker they run. */
  readonly live: { all(): readonly Pick<LiveSession, 'grant' | 'abort'>[] }
  readonly rows: Pick<RequestRows, 'overAmong'>
  readonly log: Log
}

export function watchEndedRequests({ live, rows, log }: Parts) {
  let running: Promise<void> | undefined
  let failed = false

  async function look(): Promise<void> {
    const requests = new Set(live.all().flatMap(({ grant: { request } }) => request ?? []))
    if (requests.size === 0) return
    const over = new Set(await rows.overAmong([...requests]))
    if (over.size === 0) return
    for (const { grant, abort } of live.all()) {
      if (grant.request !== undefined && over.has(grant.request)) abort('request-ended')
    }
  }

  const timer = setInterval(() => {
    running ??= look()
      .then(
        () => {
          failed = false
        },
        error => {
          if (!failed) log.warn({ err: error }, 'requests could not be read; trying again')
          failed = true
        },
      )
      .finally(() => {
        running = undefined
      })
  }, EVERY_MS).unref()
  return {
    async close() {
      clearInterval(timer)
      await running
    },
  }
}
