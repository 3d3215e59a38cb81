/** Check-outs and requests are decided anew at start, after every change of access, and now and then: what would not be given today ends. */

import type { GatewayParts } from './parts.ts'

/** What changed while no gateway heard of it. */
const EVERY_MS = 60_000

export function reviewAccess(
  { checkOuts, requests, live, log }: Pick<GatewayParts, 'checkOuts' | 'requests' | 'live' | 'log'>,
  started: AsyncDisposableStack,
): void {
  let running: Promise<void> | undefined
  let again = false
  let closed = false

  function review(): void {
    again = true
    running ??= (async () => {
      while (again && !closed) {
        again = false
        for (const [what, one] of [
          ['requests', requests],
          ['check-outs', checkOuts],
        ] as const) {
          await one.review().catch(error => log.warn({ err: error }, `${what} could not be decided anew; trying again`))
        }
      }
      running = undefined
    })()
  }

  // What was said again was reviewed when it was said first: one gateway does it for all.
  const forget = live.onAccessChange(again => {
    if (!again) review()
  })
  const timer = setInterval(review, EVERY_MS).unref()
  started.defer(async () => {
    closed = true
    forget()
    clearInterval(timer)
    await running
  })
  review()
}
