/** A change of requests: in one transaction with its audit events and with what listeners write, by compare-and-swap, with what must follow. */

import type { Outbox, RecordEvent } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import { REQUEST_CHANGED_CHANNEL } from '../session/live/live-sessions.ts'
import { GatewayError } from '../shared/errors.ts'
import type { By } from './actor.ts'
import { happened, type RequestHappening } from './events.ts'
import type { RequestedAccess } from './request.ts'

export interface Transition {
  readonly what: RequestHappening
  /** As it is afterwards. */
  readonly request: RequestedAccess
  readonly by: string
}

/** Called in the transaction of the change: what it writes by `on` is stored with it. */
export type TransitionListener = (transition: Transition, on: Database) => Promise<void> | void

/** Notes what has happened, in the transaction. */
export type Tell = (
  what: RequestHappening,
  request: RequestedAccess,
  by: By,
  more?: Readonly<Record<string, unknown>>,
) => Promise<void>
export type Write<T> = (on: Database, tell: Tell) => Promise<T>

/** Somebody else has changed the request since it was read. */
export class Stale extends Error {}

interface Parts {
  readonly outbox: Outbox
  readonly audit: Pick<AuditAppender, 'flush'>
  readonly cluster: Pick<Cluster, 'publish' | 'subscribe'>
  /** What rests on it ends, on whichever gateway. Never rejects. */
  readonly endUses: (request: RequestedAccess) => Promise<void>
  readonly count: (what: RequestHappening, request: RequestedAccess) => void
}

/** So often a change is tried that others were quicker with. */
const TRIES = 8

export type Changes = Awaited<ReturnType<typeof createChanges>>

export async function createChanges({ outbox, audit, cluster, endUses, count }: Parts) {
  const transitionListeners = new Set<TransitionListener>()
  const changeListeners = new Set<(id: string) => void>()
  const unsubscribe = await cluster.subscribe(REQUEST_CHANGED_CHANNEL, payload => {
    for (const listener of changeListeners) listener(payload.toString('utf8'))
  })

  async function inform(transition: Transition, on: Database): Promise<void> {
    for (const listener of transitionListeners) await listener(transition, on)
  }

  async function follow(told: readonly Transition[]): Promise<void> {
    for (const { what, request } of told) {
      count(what, request)
      // Whoever may have something by it does not any more.
      if (what === 'revoked' || what === 'ended' || what === 'cancelled') await endUses(request)
    }
    for (const id of new Set(told.map(({ request }) => request.id))) {
      await cluster.publish(REQUEST_CHANGED_CHANNEL, Buffer.from(id, 'utf8')).catch(() => undefined)
    }
    if (told.length > 0) await audit.flush()
  }

  return {
    /**
     * `prepare` reads what the change rests on; what it gives writes, in one transaction. Both again where somebody else was quicker. Afterwards
     * the audit log knows, and whoever waits. Throws `CONFLICT` where others were quicker so often (`most`), and what the writing throws.
     */
    async change<T>(prepare: () => Promise<Write<T>>, most = TRIES): Promise<T> {
      for (let tries = 1; ; tries++) {
        const told: Transition[] = []
        try {
          const write = await prepare()
          const result = await outbox.change((on, record: RecordEvent) =>
            write(on, async (what, request, by, more) => {
              record(happened(what, request, by, more))
              const transition = { what, request, by: by.by }
              told.push(transition)
              await inform(transition, on)
            }),
          )
          await follow(told)
          return result
        } catch (error) {
          if (!(error instanceof Stale) && !wasRolledBack(error)) throw error
          if (tries >= most) throw new GatewayError('CONFLICT', 'Others are changing it at this moment; try it again.')
        }
      }
    },

    /** The same of a change that is made in somebody else's transaction. */
    async note(transition: Transition, on: Database, record: RecordEvent): Promise<void> {
      const { what, request, by } = transition
      record(happened(what, request, { by }))
      count(what, request)
      await inform(transition, on)
    },

    /** Called with every change that this gateway makes, in its transaction. Returns an unsubscribe function. */
    onTransition(listener: TransitionListener): () => void {
      transitionListeners.add(listener)
      return () => void transitionListeners.delete(listener)
    },

    /** Called with the id of a request that has changed on any gateway, where that is heard. */
    onChange(listener: (id: string) => void): () => void {
      changeListeners.add(listener)
      return () => void changeListeners.delete(listener)
    },

    close: unsubscribe,
  }
}

/**
 * PostgreSQL chose it of transactions that waited for each other, could not put it in an order with another one, or it waited too long for those
 * who use a request: nothing of it happened.
 */
function wasRolledBack(error: unknown): boolean {
  const { code } = (error instanceof GatewayError ? (error.cause as { code?: unknown } | undefined) : undefined) ?? {}
  return code === '40P01' || code === '40001' || code === '55P03'
}
