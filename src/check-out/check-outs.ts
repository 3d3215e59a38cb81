/** Checking accounts out and in: every change in one transaction with its audit events, with what must follow, and with whose turn it is then. */

import type { Outbox, RecordEvent } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import { checkWords } from '../policy/wish-words.ts'
import type { Access } from '../session/access.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { type AccountAddress, formatAccountAddress, isSameAccount } from '../shared/names.ts'
import { isoMinute } from '../shared/text/iso-time.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import { sameLoginAs } from '../targets/same-login.ts'
import type { Vault } from '../vault/vault.ts'
import { type CheckOut, type CheckOutEnd, isOpen } from './check-out.ts'
import { createCheckOutEnds } from './ends.ts'
import { events } from './events.ts'
import type { CheckOutJobs } from './jobs.ts'
import { createCheckOutQueue, OFFER_MS } from './queue.ts'
import { createReview } from './review.ts'
import { createCheckOutRows } from './rows.ts'
import type { AccessOfNow } from './still-allowed.ts'
import { mayTake, type Obstacle } from './take.ts'
import { type Asker, createTermsFor } from './terms.ts'
import { changeInTurn } from './turn.ts'
import { longestUntil, untilOf } from './wish.ts'
import { checkOutCommand } from './words.ts'

/** What is shown of what others have. */
const MOST_TAKEN = 1000

export interface CheckOutWish {
  /** Not given: an hour, or what is allowed. */
  readonly forMs?: number | undefined
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  readonly way?: CheckOutWay
  /** Only together with others: refused where it would be exclusive. */
  readonly shared?: boolean
  /** Where it cannot be had now, they join the queue. */
  readonly wait?: boolean
}

export type Taken =
  | { readonly taken: true; readonly checkOut: CheckOut }
  | {
      readonly taken: false
      readonly obstacle: Obstacle
      /** Whether they may read who has it. */
      readonly seesHolder: boolean
      /** In the queue, counted from 1; undefined where they do not wait. */
      readonly place: number | undefined
    }

interface Parts extends AccessOfNow {
  readonly database: Database
  readonly outbox: Outbox
  readonly audit: AuditAppender
  readonly access: Pick<Access, 'checkOutTerms' | 'reachable' | 'known'>
  readonly vault: Pick<Vault, 'endLeases' | 'sessionsOn' | 'startLoan'>
  readonly cluster: Pick<Cluster, 'publish' | 'subscribe'>
  readonly jobs: CheckOutJobs
  /** Whether its credential is to be changed at the target, or that goes on now. */
  readonly changeOf: (address: AccountAddress, on: Database) => Promise<'to-begin' | 'going-on' | undefined>
  /** Throws where the approved request that it rests on is over by now. */
  readonly useRequest: (request: string, on: Database, record: RecordEvent) => Promise<void>
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly gateway: string
  readonly count: (what: Counted) => void
}

/** Why a credential is not shown now. */
export type NotRevealed = 'shown-before' | 'over' | 'rotating'

export type Counted = 'started' | 'extended' | 'revealed' | 'queued' | CheckOutEnd

const CHANNEL = 'check-outs'

export type CheckOuts = Awaited<ReturnType<typeof createCheckOuts>>

export async function createCheckOuts(parts: Parts) {
  const { outbox, audit, access, vault, cluster, jobs, useRequest, clock, gateway, count } = parts
  const rows = createCheckOutRows(parts.database)
  const queue = createCheckOutQueue({ rows, jobs, clock })
  const termsFor = createTermsFor(parts)
  const listeners = new Set<(address: string) => void>()
  const unsubscribe = await cluster.subscribe(CHANNEL, payload => {
    for (const listener of listeners) listener(payload.toString('utf8'))
  })

  /** Whoever watches the account looks now; where the others cannot be told, they look by themselves within a second. */
  const changed = (address: AccountAddress) =>
    cluster.publish(CHANNEL, Buffer.from(formatAccountAddress(address), 'utf8')).catch(() => undefined)
  const change = changeInTurn(outbox, rows)
  const ends = createCheckOutEnds({ rows, queue, change, changed, vault, jobs, audit, clock, count })
  const { endOne } = ends

  return {
    /** Throws `NotAllowed`, `BAD_REQUEST` and `AUDIT_UNAVAILABLE`, in words for the person. */
    async take(person: Asker, address: AccountAddress, wish: CheckOutWish): Promise<Taken> {
      const way = wish.way ?? 'inject'
      const terms = await termsFor(person, address, way)
      const { rule } = terms
      const name = formatAccountAddress(address)
      if (wish.shared && rule.mode === 'exclusive')
        throw new GatewayError('BAD_REQUEST', `${name} is checked out by one person at a time; leave out --shared.`)
      const { reason, ticket } = checkWords(rule, wish, 'This account', checkOutCommand(person.user, name, rule))
      const startedAt = clock.now()
      const until = untilOf(
        startedAt,
        wish.forMs,
        longestUntil(terms, way, startedAt),
        `${name} can be checked out for`,
      )
      const ended: CheckOutEnd[] = []
      const taken = await change(address, async (on, record, accounts): Promise<Taken> => {
        ended.push(...(await ends.endOverdue(on, record, accounts)))
        await queue.passTurn(on, record, accounts)
        const waiting = await rows.queueOf(accounts, on)
        const inSessions: string[] = []
        for (const one of accounts) inSessions.push(...(await vault.sessionsOn(one, on)).map(({ user }) => user))
        const standing = { open: await rows.openOf(accounts, on), queue: waiting, inSessions }
        const verdict = mayTake(standing, { user: person.user, address, rule }, clock.now())
        const mine = waiting.find(entry => entry.user === person.user && isSameAccount(entry, address))
        switch (verdict.may) {
          case 'keep':
            throw new GatewayError(
              'CONFLICT',
              `You have ${name} already, until ${isoMinute(verdict.mine.until)}. For longer: extend ${name}. To have it otherwise, give it back first: checkin ${name}.`,
            )
          case 'wait': {
            const { obstacle } = verdict
            const place = wish.wait
              ? await queue.join(on, record, waiting, person, address)
              : mine && waiting.indexOf(mine) + 1
            // It is not their fault that they cannot take it: their turn goes on.
            if (obstacle.why === 'sessions' && mine?.offeredUntil !== undefined)
              await rows.offer(mine.id, clock.now() + OFFER_MS, on)
            return { taken: false, obstacle, seesHolder: terms.seesHolder, place }
          }
          case 'take': {
            const checkOut: CheckOut = {
              id: newId('cho', startedAt),
              user: person.user,
              ...address,
              also: accounts
                .filter(one => !isSameAccount(one, address))
                .map(({ account, target }) => ({ account, target })),
              exclusive: rule.mode === 'exclusive',
              ...{ way, openSessions: rule.openSessions, reason, ticket, startedAt, until, gateway },
              request: terms.request,
              source: person.sourceAddress,
              proven: person.proven,
              revealedAt: undefined,
              state: { is: 'open' },
            }
            if (terms.request !== undefined) await useRequest(terms.request, on, record)
            await rows.insert(checkOut, on)
            if (mine !== undefined) await rows.leaveQueue(mine.id, on)
            record(events.started(checkOut, terms, person.session))
            await jobs.endAt(checkOut, on)
            return { taken: true, checkOut }
          }
        }
      })
      // Nobody has it before the audit log knows; where it cannot be written, nobody has it at all.
      await audit.flush().catch(async error => {
        if (taken.taken) await endOne(taken.checkOut.id, { reason: 'returned', by: 'gateway' }, () => true)
        throw error
      })
      for (const end of ended) count(end)
      if (taken.taken) count('started')
      else if (wish.wait && taken.place !== undefined) count('queued')
      if (taken.taken || ended.length > 0) await changed(address)
      return taken
    },

    /** Undefined where they have none of it. */
    async checkIn(person: Pick<Asker, 'user' | 'session'>, address: AccountAddress): Promise<CheckOut | undefined> {
      const mine = (await rows.openOf([address])).find(one => one.user === person.user)
      return mine && endOne(mine.id, { reason: 'returned', by: person.user, ...sessionOf(person) }, () => true)
    },

    /** Longer by `forMs`, or as long as it may be. Policy is asked anew; the longest time counts from the start. Throws as `take` does, and `NOT_FOUND`. */
    async extend(person: Asker, address: AccountAddress, forMs: number | undefined): Promise<CheckOut> {
      const name = formatAccountAddress(address)
      const mine = (await rows.openOf([address])).find(one => one.user === person.user && isOpen(one, clock.now()))
      if (mine === undefined) throw new GatewayError('NOT_FOUND', `You have not checked out ${name}.`)
      const terms = await termsFor(person, address, mine.way)
      const longest = longestUntil(terms, mine.way, mine.startedAt)
      if (longest <= mine.until)
        throw new GatewayError('BAD_REQUEST', `${name} cannot be had for longer than until ${isoMinute(mine.until)}.`)
      const until = untilOf(mine.until, forMs, longest, `${name} can be extended by`)
      const extended = await change(address, async (on, record) => {
        const now = await rows.get(mine.id, on)
        if (now === undefined || !isOpen(now, clock.now())) return undefined
        const longer = await rows.act(now, { act: 'extend', until }, on)
        if (longer === undefined) return undefined
        record(events.extended(longer, now.until, person.session))
        await jobs.endAt(longer, on)
        return longer
      })
      if (extended === undefined) throw new GatewayError('NOT_FOUND', `You have not checked out ${name} any more.`)
      count('extended')
      await audit.flush()
      await changed(address)
      return extended
    },

    termsFor,

    /** Notes that it is shown now, and has that audited: only then may it be. Else why not. Throws `AUDIT_UNAVAILABLE`. */
    async noteRevealed(
      checkOut: CheckOut,
      { version, to }: { version: number; to: string },
      session?: string,
    ): Promise<CheckOut | NotRevealed> {
      const shown = await change(checkOut, async (on, record): Promise<CheckOut | NotRevealed> => {
        const now = await rows.get(checkOut.id, on)
        if (now === undefined || !isOpen(now, clock.now())) return 'over'
        if (now.revealedAt !== undefined) return 'shown-before'
        // What is in force at the target is not known, or no longer what is shown; one that has not begun waits for who has it alone.
        const changing = await parts.changeOf(checkOut, on)
        if (changing === 'going-on' || (changing === 'to-begin' && !now.exclusive)) return 'rotating'
        const revealed = await rows.act(now, { act: 'reveal', at: clock.now() }, on)
        if (revealed === undefined) return 'over'
        const { id, user, account, target, until } = revealed
        const lease = newId('lea', clock.now())
        await vault.startLoan({ id: lease, checkOut: id, user, address: { account, target }, version, until }, on)
        record(events.revealed(revealed, { lease, version, to }, session))
        return revealed
      })
      if (typeof shown === 'string') return shown
      count('revealed')
      await audit.flush()
      return shown
    },

    refused: (person: Asker, address: AccountAddress, why: string) =>
      audit.append(events.refused(person, address, why)),

    /** By somebody with that right. Undefined where it has ended, or never was. */
    force: (id: string, by: string): Promise<CheckOut | undefined> => endOne(id, { reason: 'forced', by }, () => true),

    /** Ends it where its time is over; gives when it will be, where it was extended meanwhile. */
    async endDue(id: string): Promise<number | undefined> {
      await endOne(id, { reason: 'time-over', by: 'gateway' }, one => !isOpen(one, clock.now()))
      const now = await rows.get(id)
      return now?.state.is === 'open' ? now.until : undefined
    },

    /** Where an offer has lapsed, the next in the queue has their turn. */
    passTurn: (address: AccountAddress): Promise<void> =>
      change(address, (on, record, accounts) => queue.passTurn(on, record, accounts)),

    /** Undefined: they did not wait for it. */
    async leaveQueue(person: Pick<Asker, 'user' | 'session'>, address: AccountAddress): Promise<boolean> {
      const left = await change(address, async (on, record, accounts) => {
        const entry = (await rows.queueOf([address], on)).find(({ user }) => user === person.user)
        if (entry === undefined) return false
        await rows.leaveQueue(entry.id, on)
        record(events.leftQueue(entry, 'left', person.session))
        await queue.passTurn(on, record, accounts)
        return true
      })
      if (left) await changed(address)
      return left
    },

    ...createReview({ rows, queue, ends, change, changed, accessOfNow: parts, clock }),

    /** Who has the account, or one that is the same login, for themselves alone now; undefined: nobody, and in a transaction, until that is over. */
    async heldExclusively(address: AccountAddress, on?: Database): Promise<CheckOut | undefined> {
      const accounts = await sameLoginAs(address, on ?? parts.database)
      if (on !== undefined) await rows.takeTurn(accounts, on)
      return (await rows.openOf(accounts, on)).find(one => one.exclusive && isOpen(one, clock.now()))
    },

    /** Of the accounts that they may use now, those that somebody else has alone. */
    async takenByOthers(person: Asker): Promise<CheckOut[]> {
      const held = (await rows.exclusive(clock.now(), MOST_TAKEN)).filter(({ user }) => user !== person.user)
      if (held.length === 0) return []
      const theirs = await access.reachable(person, [...new Set(held.map(({ target }) => target))])
      const may = new Set(theirs.map(formatAccountAddress))
      return held.filter(one => may.has(formatAccountAddress(one)))
    },

    get: rows.get,
    list: rows.list,
    waitingOf: rows.waitingOf,
    rows,
    clock,
    /** Called with the address of an account whose check-outs have changed on any gateway, where that is heard. */
    onChange(listener: (address: string) => void): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: unsubscribe,
  }
}

function sessionOf({ session }: Pick<Asker, 'session'>): { session?: string } {
  return session === undefined ? {} : { session }
}
