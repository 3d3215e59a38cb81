/** Moves bytes between client and target as they came, no faster than the slower side and the recorder take them. */

import { TLSSocket } from 'node:tls'
import type { RelayContext } from '../../session/protocol.ts'
import type { EndReason } from '../../session/state.ts'
import type { Log } from '../../shared/log.ts'
import type { Backlog } from './backlog.ts'
import { cancelOnTarget } from './cancel.ts'
import type { PostgresDownstream } from './downstream.ts'
import { Following } from './following.ts'
import { readIntoOneBuffer } from './read-into-one-buffer.ts'
import { StatementLog } from './statement-log.ts'
import type { PostgresUpstream } from './upstream.ts'

// Why a side is not read at the moment: a set of bits.
const OTHER_SIDE_FULL = 1
const RECORDER_BEHIND = 2
const TOO_MUCH_UNANSWERED = 4
const LOG_BEHIND = 8

/** Resolves with the reason once one side has closed, or `context.signal` has aborted; the statements are with the recorder then. */
export function relay(
  downstream: PostgresDownstream,
  upstream: PostgresUpstream,
  context: RelayContext,
  backlog: Backlog,
  log: Log,
): Promise<EndReason> {
  const { recorder, signal } = context
  const client = downstream.socket
  const target = upstream.socket
  let ended = false
  let clientPaused = 0
  let targetPaused = 0

  return new Promise(resolve => {
    const statements = new Following(new StatementLog(recorder, upstream.greeting.parameters), backlog, {
      passed,
      followed,
    })
    const early = downstream.beginRelay(mayInterject)

    function end(reason: EndReason): void {
      if (ended) return
      ended = true
      signal.removeEventListener('abort', onAbort)
      client.off('data', onClientData).off('drain', onClientDrain).off('end', onClientEnd).off('close', onClientEnd)
      target.off('data', onTargetData).off('drain', onTargetDrain).off('end', onTargetEnd).off('close', onTargetEnd)
      statements.upToDate().flush()
      resolve(reason)
    }

    function pauseClient(why: number): void {
      if (clientPaused === 0) client.pause()
      clientPaused |= why
    }
    function resumeClient(why: number): void {
      if (clientPaused === 0) return
      clientPaused &= ~why
      if (clientPaused === 0 && !ended) client.resume()
    }
    function pauseTarget(why: number): void {
      if (targetPaused === 0) target.pause()
      targetPaused |= why
    }
    function resumeTarget(why: number): void {
      if (targetPaused === 0) return
      targetPaused &= ~why
      if (targetPaused === 0 && !ended) target.resume()
    }

    function waitForRecorder(): void {
      if ((clientPaused & RECORDER_BEHIND) !== 0) return
      pauseClient(RECORDER_BEHIND)
      pauseTarget(RECORDER_BEHIND)
      void recorder.drained().then(() => {
        resumeClient(RECORDER_BEHIND)
        resumeTarget(RECORDER_BEHIND)
      })
    }

    function onClientData(chunk: Buffer): void {
      try {
        // First: what cannot be read here must not reach the target.
        statements.fromClient(chunk)
      } catch (error) {
        violated(error)
      }
      if (!ended && !target.write(chunk)) pauseClient(OTHER_SIDE_FULL)
    }

    function onTargetData(chunk: Buffer): void {
      if (!client.write(chunk)) pauseTarget(OTHER_SIDE_FULL)
      try {
        statements.fromTarget(chunk)
      } catch (error) {
        violated(error)
      }
      if (statements.behind) {
        pauseClient(LOG_BEHIND)
        pauseTarget(LOG_BEHIND)
      }
    }

    /** Whether words of the gateway may go to the client now. */
    function mayInterject(): boolean {
      const log = statements.upToDate()
      return log.atBoundary && !log.fatal
    }

    function passed(direction: 'in' | 'out', bytes: number): void {
      context.activity()
      context.count(direction, bytes)
    }

    function followed(failure: unknown): void {
      if (failure !== undefined) violated(failure)
      if (ended) return
      if (downstream.hasWaitingNotices && mayInterject()) downstream.flushNotices()
      resumeClient(LOG_BEHIND)
      resumeTarget(LOG_BEHIND)
      if (statements.full) pauseClient(TOO_MUCH_UNANSWERED)
      else resumeClient(TOO_MUCH_UNANSWERED)
      if (recorder.behind) waitForRecorder()
    }

    function violated(error: unknown): void {
      log.warn({ err: error, session: context.session }, 'a message broke the PostgreSQL protocol')
      target.destroy()
      end('protocol-violation')
    }

    function onClientEnd(): void {
      target.end()
      end('client-closed')
    }
    function onTargetEnd(): void {
      end(statements.upToDate().terminated ? 'client-closed' : 'target-closed')
    }
    function onAbort(): void {
      if (client.destroyed) {
        onClientEnd()
        return
      }
      // What still runs for this session on the target is to end with it, not when its backend next writes.
      if (statements.upToDate().unanswered) {
        cancelOnTarget(upstream).catch(error =>
          log.warn({ err: error, session: context.session }, 'the last cancel request failed'),
        )
      }
      target.destroy()
      end('killed')
    }

    function onClientDrain(): void {
      resumeTarget(OTHER_SIDE_FULL)
    }
    function onTargetDrain(): void {
      resumeClient(OTHER_SIDE_FULL)
    }

    client.on('data', onClientData).on('drain', onClientDrain).on('end', onClientEnd).on('close', onClientEnd)
    target.on('data', onTargetData).on('drain', onTargetDrain).on('end', onTargetEnd).on('close', onTargetEnd)
    upstream.onCancel = () => {
      context.activity()
      statements.upToDate()
      if (!ended) recorder.fact({ type: 'cancel' })
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    if (client.destroyed) return onClientEnd()
    if (target.destroyed) return onTargetEnd()
    // Not a plaintext client, on loopback: paused, its stream goes on reading for a while and so sees it leave.
    if (client instanceof TLSSocket) readIntoOneBuffer(client)
    readIntoOneBuffer(target)
    if (upstream.early.length > 0) onTargetData(upstream.early)
    if (early.length > 0) onClientData(early)
    if (clientPaused === 0) client.resume()
    if (targetPaused === 0) target.resume()
  })
}
