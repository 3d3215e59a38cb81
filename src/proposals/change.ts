/** A change of a proposal: in one transaction with its audit event and with what listeners write, by compare-and-swap. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { AuditEvent } from '../audit/event.ts'
import type { Database } from '../database/database.ts'
import { GatewayError } from '../shared/errors.ts'
import { happeningOf, type ProposalHappening } from './events.ts'
import { after, type ProposalAct, type ProposedChange } from './proposal.ts'
import type { ProposalRows } from './proposal-rows.ts'

/** Called in the transaction of the change: what it writes by `on` is stored with it. */
export type ProposalListener = (
  happening: { readonly what: ProposalHappening; readonly proposal: ProposedChange; readonly by: string },
  on: Database,
) => Promise<void>

interface Parts {
  readonly rows: Pick<ProposalRows, 'change'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly count: (what: ProposalHappening) => void
}

export type Changes = ReturnType<typeof createChanges>

export function createChanges({ rows, audit, count }: Parts) {
  const listeners = new Set<ProposalListener>()

  async function tell(what: ProposalHappening, proposal: ProposedChange, by: string, on: Database): Promise<void> {
    for (const listener of listeners) await listener({ what, proposal, by }, on)
  }

  /** Throws `CONFLICT` where that cannot happen to it any more, or somebody else was quicker. */
  async function act(from: ProposedChange, how: ProposalAct, by: string, on: Database): Promise<ProposedChange> {
    const changed = after(from, how)
    if (changed === undefined || !(await rows.change(from, changed, on)))
      throw new GatewayError('CONFLICT', 'The proposal is decided, or over, already.')
    await tell(happeningOf(how), changed, by, on)
    return changed
  }

  /**
   * The audit log is locked first: of all changes of proposals and resources, on whichever gateway, one is under way at a time. `before`: the last
   * look, and what else is written.
   */
  async function change(
    from: ProposedChange,
    how: ProposalAct,
    event: AuditEvent,
    before: (on: Database) => Promise<void> = async () => {},
  ): Promise<ProposedChange> {
    const changed = await audit.change(
      async on => {
        await before(on)
        return act(from, how, event.actor, on)
      },
      () => event,
    )
    count(happeningOf(how))
    return changed
  }

  return {
    act,
    change,
    tell,

    /** The same where somebody may have decided in the same instant: then there is nothing to do. */
    async changeUnlessOver(from: ProposedChange, how: ProposalAct, event: AuditEvent): Promise<void> {
      await change(from, how, event).catch(error => {
        if (!(error instanceof GatewayError && error.code === 'CONFLICT')) throw error
      })
    },

    /** Called with every change that this gateway makes, in its transaction. Returns an unsubscribe function. */
    onChange(listener: ProposalListener): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
