/** Moves bytes between client and target as they came, no faster than the slower side and the recorder take them. */

import { TLSSocket } from 'node:tls'
import { Gate } from '../../../recording/writing/gate.ts'
import type { Pause } from '../../../session/live/pause.ts'
import type { RelayContext } from '../../../session/protocol.ts'
import type { EndReason } from '../../../session/state.ts'
import type { Log } from '../../../shared/log.ts'
import type { Backlog } from '../../relaying/backlog.ts'
import type { BusyPolling } from '../../relaying/busy-polling.ts'
import { readIntoOneBuffer } from '../../relaying/read-into-one-buffer.ts'
import { AGAINST_READING, Reading } from '../../relaying/reading.ts'
import { StatementLog } from '../capture/statement-log.ts'
import type { PostgresDownstream } from '../client-side/downstream.ts'
import { cancelOnTarget } from '../target-side/cancel.ts'
import type { PostgresUpstream } from '../target-side/upstream.ts'
import { DeferredParser } from './deferred-parser.ts'
import { HeldChunks } from './held-chunks.ts'

const { OTHER_SIDE_FULL, UNWRITTEN_TO_CLIENT, UNWRITTEN_TO_TARGET, TOO_MUCH_UNANSWERED, LOG_BEHIND } = AGAINST_READING

/** Resolves with the reason once one side has closed, or `context.signal` has aborted; the statements are with the recorder then. */
export function relay(
  downstream: PostgresDownstream,
  upstream: PostgresUpstream,
  context: RelayContext,
  backlog: Backlog,
  polling: BusyPolling | undefined,
  log: Log,
): Promise<EndReason> {
  const { recorder, signal, pause } = context
  const client = downstream.socket
  const target = upstream.socket
  const fromClient = new Reading(client)
  const fromTarget = new Reading(target)
  const conversation = {}
  let ended = false
  let finish: () => void = () => undefined

  return new Promise(resolve => {
    const statements = new DeferredParser(new StatementLog(recorder, upstream.startup.parameters), backlog, {
      passed,
      parsed,
    })
    const early = downstream.beginRelay(mayInterject, text => recorder.fact({ type: 'notice', text }))
    const toClient = new Gate(recorder, sendParsed, much => unwritten(UNWRITTEN_TO_CLIENT, much))
    const toTarget = new Gate(recorder, sendToTarget, much => unwritten(UNWRITTEN_TO_TARGET, much))

    function sendToClient(chunk: Buffer): void {
      if (!client.write(chunk)) fromTarget.stop(OTHER_SIDE_FULL)
      polling?.passed(conversation, false)
    }

    function sendParsed(chunk: Buffer): void {
      sendToClient(chunk)
      if (!ended) interject()
    }

    function sendToTarget(chunk: Buffer): void {
      if (!target.write(chunk)) fromClient.stop(OTHER_SIDE_FULL)
      polling?.passed(conversation, true)
    }

    function unwritten(where: number, much: boolean): void {
      for (const side of [fromClient, fromTarget]) {
        if (much) side.stop(where)
        else side.goOn(where)
      }
    }

    /** `last` is done when what was on its way to the two sides has left: for them it counts all the same. */
    function end(reason: EndReason, last: () => void = () => undefined): void {
      if (ended) return
      ended = true
      fromClient.end()
      fromTarget.end()
      client.off('data', takeFromClient).off('drain', onClientDrain).off('end', onClientEnd).off('close', onClientEnd)
      target.off('data', takeFromTarget).off('drain', onTargetDrain).off('end', onTargetEnd).off('close', onTargetEnd)
      statements.end()
      if (pause !== undefined) pause.onChange = undefined
      finish = () => {
        signal.removeEventListener('abort', onAbort)
        last()
        resolve(reason)
      }
      if (signal.aborted) finish()
      else void Promise.all([toClient.empty, toTarget.empty]).then(finish)
    }

    function onClientData(chunk: Buffer): void {
      try {
        // First: what cannot be read here must not reach the target.
        statements.fromClient(chunk)
      } catch (error) {
        violated(error)
      }
      if (ended) return
      if (toTarget.passable(statements.unrecorded)) {
        sendToTarget(chunk)
        return
      }
      statements.record()
      toTarget.pass(chunk)
    }

    function onTargetData(chunk: Buffer): void {
      // First the answer, where it may be a little ahead of the recording.
      const ahead = toClient.passable(statements.unrecorded + chunk.length)
      if (ahead) sendToClient(chunk)
      try {
        statements.fromTarget(chunk)
        if (!ahead) statements.record()
      } catch (error) {
        violated(error)
      }
      if (!ahead) toClient.pass(chunk)
      if (statements.behind) {
        fromClient.stop(LOG_BEHIND)
        fromTarget.stop(LOG_BEHIND)
      }
    }

    /** Whether a message of the gateway's may go to the client now. */
    function mayInterject(): boolean {
      if (toClient.holds || toClient.dropped) return false
      const log = statements.upToDate()
      return log.atBoundary && !log.fatal
    }

    function interject(): void {
      if (downstream.hasWaitingNotices && mayInterject()) downstream.flushNotices()
    }

    function passed(direction: 'in' | 'out', bytes: number): void {
      context.activity()
      context.count(direction, bytes)
    }

    function parsed(failure: unknown): void {
      if (failure !== undefined) violated(failure)
      if (ended) return
      interject()
      fromClient.goOn(LOG_BEHIND)
      fromTarget.goOn(LOG_BEHIND)
      if (statements.full) fromClient.stop(TOO_MUCH_UNANSWERED)
      else fromClient.goOn(TOO_MUCH_UNANSWERED)
    }

    function violated(error: unknown): void {
      log.warn({ err: error, session: context.session }, 'a message broke the PostgreSQL protocol')
      target.destroy()
      end('protocol-violation')
    }

    function onClientEnd(): void {
      end('client-closed', () => target.end())
    }
    function onTargetEnd(): void {
      end(statements.upToDate().terminated ? 'client-closed' : 'target-closed')
    }
    function onAbort(): void {
      toClient.end()
      toTarget.end()
      if (ended) {
        finish()
        return
      }
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
      end('killed')
    }

    function onClientDrain(): void {
      fromTarget.goOn(OTHER_SIDE_FULL)
    }
    function onTargetDrain(): void {
      fromClient.goOn(OTHER_SIDE_FULL)
    }

    const heldOfClient = new HeldChunks(fromClient, onClientData)
    const heldOfTarget = new HeldChunks(fromTarget, onTargetData)
    const takeFromClient = heldWhilePaused(pause, onClientData, heldOfClient)
    const takeFromTarget = heldWhilePaused(pause, onTargetData, heldOfTarget)
    if (pause !== undefined) {
      pause.onChange = () => {
        if (pause.paused) return
        heldOfClient.release()
        heldOfTarget.release()
      }
    }
    client.on('data', takeFromClient).on('drain', onClientDrain).on('end', onClientEnd).on('close', onClientEnd)
    target.on('data', takeFromTarget).on('drain', onTargetDrain).on('end', onTargetEnd).on('close', onTargetEnd)
    upstream.onCancel = async () => {
      if (pause?.paused) return false
      context.activity()
      statements.upToDate()
      if (ended) return true
      recorder.fact({ type: 'cancel' })
      await toTarget.turn()
      return true
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    if (client.destroyed) return onClientEnd()
    if (target.destroyed) return onTargetEnd()
    // Not a plaintext client, on loopback: paused, its stream goes on reading for a while and so sees it leave.
    if (client instanceof TLSSocket) readIntoOneBuffer(client)
    readIntoOneBuffer(target)
    if (upstream.early.length > 0) takeFromTarget(upstream.early)
    if (early.length > 0) takeFromClient(early)
    fromClient.begin()
    fromTarget.begin()
  })
}

/** Where nothing can be paused, nothing is in the way. */
function heldWhilePaused(
  pause: Pause | undefined,
  pass: (chunk: Buffer) => void,
  held: HeldChunks,
): (chunk: Buffer) => void {
  if (pause === undefined) return pass
  return chunk => (pause.paused ? held.hold(chunk) : pass(chunk))
}
