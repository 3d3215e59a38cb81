/** Checking accounts out and in: every change in one transaction with its audit events, with what must follow, and with whose turn it is then. */

import type { Outbox, RecordEvent } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import type { PrincipalFacts } from '../identity/principal.ts'
import type { CheckOutTerms } from '../policy/check-out.ts'
import type { Access } from '../session/access.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Factor } from '../shared/factors.ts'
import { newId } from '../shared/ids.ts'
import { type AccountAddress, formatAccountAddress, isSameAccount } from '../shared/names.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import { sameLoginAs } from '../targets/same-login.ts'
import type { Targets } from '../targets/targets.ts'
import type { Vault } from '../vault/vault.ts'
import { type CheckOut, type CheckOutEnd, isOpen } from './check-out.ts'
import { events } from './events.ts'
import type { CheckOutJobs } from './jobs.ts'
import { createCheckOutRows, type QueueEntry } from './rows.ts'
import { mayTake, type Obstacle } from './take.ts'
import { checkWords, longestUntil, untilOf } from './wish.ts'
import { checkOutCommand, isoMinute } from './words.ts'

/** So long the first in a queue has to take what has become free. */
export const OFFER_MS = 2 * 60_000

/** What is shown of what others have. */
const MOST_TAKEN = 1000

/** Who asks, as policy knows them now; `session`: the login in which they do. */
export interface Asker extends PrincipalFacts {
  readonly session?: string
}

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

interface Parts {
  readonly database: Database
  readonly outbox: Outbox
  readonly audit: AuditAppender
  readonly access: Pick<Access, 'checkOutTerms' | 'reachable' | 'known'>
  readonly targets: Pick<Targets, 'getAll'>
  readonly users: {
    get(name: string): Promise<{ readonly roles: readonly string[]; readonly disabled: boolean } | undefined>
  }
  readonly vault: Pick<Vault, 'endLeases' | 'sessionsOn' | 'startLoan'>
  readonly cluster: Pick<Cluster, 'publish' | 'subscribe'>
  readonly jobs: CheckOutJobs
  /** Whether its credential is to be changed at the target, or that goes on now. */
  readonly changeOf: (address: AccountAddress, on: Database) => Promise<'to-begin' | 'going-on' | undefined>
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
  const { outbox, audit, access, users, vault, cluster, jobs, clock, gateway, count } = parts
  const rows = createCheckOutRows(parts.database)
  const listeners = new Set<(address: string) => void>()
  const unsubscribe = await cluster.subscribe(CHANNEL, payload => {
    for (const listener of listeners) listener(payload.toString('utf8'))
  })

  /** Work on the check-outs of one account, and of those that are the same login: one after the other on all gateways. */
  function change<T>(
    address: AccountAddress,
    work: (on: Database, record: RecordEvent, accounts: readonly AccountAddress[]) => Promise<T>,
  ): Promise<T> {
    return outbox.change(async (on, record) => {
      const accounts = await sameLoginAs(address, on)
      await rows.takeTurn(accounts, on)
      return work(on, record, accounts)
    })
  }

  /** Whoever watches the account looks now; where the others cannot be told, they look by themselves within a second. */
  const changed = (address: AccountAddress) =>
    cluster.publish(CHANNEL, Buffer.from(formatAccountAddress(address), 'utf8')).catch(() => undefined)

  async function finish(
    on: Database,
    record: RecordEvent,
    accounts: readonly AccountAddress[],
    checkOut: CheckOut,
    end: { reason: CheckOutEnd; by: string; session?: string },
  ) {
    const ended = await rows.act(checkOut, { act: 'end', at: clock.now(), ...end }, on)
    if (ended === undefined) return undefined
    for (const lease of await vault.endLeases({ kind: 'check-out', checkOut: checkOut.id }, on)) {
      record(events.leaseEnded(checkOut, lease, end))
    }
    record(events.ended(ended, end))
    await jobs.cancelEnd(checkOut.id, on)
    if (checkOut.revealedAt !== undefined) await jobs.rotateRevealed(checkOut, on)
    else await jobs.afterCheckIn(checkOut, on)
    await passTurn(on, record, accounts)
    return ended
  }

  /** Where the account is free, whoever is first in the queue has it offered; whose offer has lapsed is not in it any more. */
  async function passTurn(on: Database, record: RecordEvent, accounts: readonly AccountAddress[]): Promise<void> {
    const now = clock.now()
    const open = await rows.openOf(accounts, on)
    if (open.some(one => isOpen(one, now))) return
    for (const entry of await rows.queueOf(accounts, on)) {
      if (entry.offeredUntil === undefined) {
        await rows.offer(entry.id, now + OFFER_MS, on)
        record(events.offered(entry, now + OFFER_MS))
        await jobs.tellAt(entry, now + OFFER_MS, on)
        return
      }
      if (entry.offeredUntil > now) return
      await rows.leaveQueue(entry.id, on)
      record(events.leftQueue(entry, 'the offer lapsed'))
    }
  }

  /** What is over in time and not written down as such yet. */
  async function endOverdue(
    on: Database,
    record: RecordEvent,
    accounts: readonly AccountAddress[],
  ): Promise<CheckOutEnd[]> {
    const ends: CheckOutEnd[] = []
    for (const one of await rows.openOf(accounts, on)) {
      if (isOpen(one, clock.now())) continue
      if (await finish(on, record, accounts, one, { reason: 'time-over', by: 'gateway' })) ends.push('time-over')
    }
    return ends
  }

  async function termsFor(person: Asker, address: AccountAddress, way?: CheckOutWay): Promise<CheckOutTerms> {
    const terms = await access.checkOutTerms(person, address)
    const name = formatAccountAddress(address)
    const no =
      terms.granted && way !== undefined && !terms.ways.has(way)
        ? way === 'reveal'
          ? `None of your roles lets you see the credential of ${name}.`
          : `None of your roles lets you check out ${name} for sessions; one lets you see its credential (--reveal).`
        : undefined
    if (terms.granted && no === undefined) return terms
    const refusal = terms.granted ? { message: no!, detail: no! } : terms
    await audit.append(events.refused(person, address, refusal.detail))
    throw new NotAllowed(refusal.message, terms.granted ? undefined : terms.missing)
  }

  async function joinQueue(
    on: Database,
    record: RecordEvent,
    queue: QueueEntry[],
    person: Asker,
    address: AccountAddress,
  ) {
    const place = queue.findIndex(entry => entry.user === person.user && isSameAccount(entry, address))
    if (place >= 0) return place + 1
    const entry: QueueEntry = {
      id: newId('coq', clock.now()),
      user: person.user,
      ...address,
      askedAt: clock.now(),
      offeredUntil: undefined,
    }
    await rows.enqueue(entry, on)
    record(events.queued(entry, person.session))
    return queue.length + 1
  }

  async function endOne(
    id: string,
    end: { reason: CheckOutEnd; by: string; session?: string },
    still: (one: CheckOut) => boolean,
  ): Promise<CheckOut | undefined> {
    const found = await rows.get(id)
    if (found === undefined || found.state.is === 'ended') return undefined
    const ended = await change(found, async (on, record, accounts) => {
      const now = await rows.get(id, on)
      return now !== undefined && still(now) ? finish(on, record, accounts, now, end) : undefined
    })
    if (ended === undefined) return undefined
    count(end.reason)
    await changed(ended)
    await audit.flush().catch(() => undefined)
    return ended
  }

  return {
    /** Throws `NotAllowed`, `BAD_REQUEST` and `AUDIT_UNAVAILABLE`, in words for the person. */
    async take(person: Asker, address: AccountAddress, wish: CheckOutWish): Promise<Taken> {
      const way = wish.way ?? 'inject'
      const terms = await termsFor(person, address, way)
      const { rule } = terms
      const name = formatAccountAddress(address)
      if (wish.shared && rule.mode === 'exclusive')
        throw new GatewayError('BAD_REQUEST', `${name} is checked out by one person at a time; leave out --shared.`)
      const { reason, ticket } = checkWords(rule, wish, checkOutCommand(person.user, name, rule))
      const startedAt = clock.now()
      const until = untilOf(
        startedAt,
        wish.forMs,
        longestUntil(terms, way, startedAt),
        `${name} can be checked out for`,
      )
      const ends: CheckOutEnd[] = []
      const taken = await change(address, async (on, record, accounts): Promise<Taken> => {
        ends.push(...(await endOverdue(on, record, accounts)))
        await passTurn(on, record, accounts)
        const queue = await rows.queueOf(accounts, on)
        const inSessions: string[] = []
        for (const one of accounts) inSessions.push(...(await vault.sessionsOn(one, on)).map(({ user }) => user))
        const standing = { open: await rows.openOf(accounts, on), queue, inSessions }
        const verdict = mayTake(standing, { user: person.user, address, rule }, clock.now())
        const mine = queue.find(entry => entry.user === person.user && isSameAccount(entry, address))
        switch (verdict.may) {
          case 'keep':
            throw new GatewayError(
              'CONFLICT',
              `You have ${name} already, until ${isoMinute(verdict.mine.until)}. For longer: extend ${name}. To have it otherwise, give it back first: checkin ${name}.`,
            )
          case 'wait': {
            const { obstacle } = verdict
            const place = wish.wait
              ? await joinQueue(on, record, queue, person, address)
              : mine && queue.indexOf(mine) + 1
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
              source: person.sourceAddress,
              proven: person.proven,
              revealedAt: undefined,
              state: { is: 'open' },
            }
            await rows.insert(checkOut, on)
            if (mine !== undefined) await rows.leaveQueue(mine.id, on)
            record(events.started(checkOut, terms.role, person.session))
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
      for (const end of ends) count(end)
      if (taken.taken) count('started')
      else if (wish.wait && taken.place !== undefined) count('queued')
      if (taken.taken || ends.length > 0) await changed(address)
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
      change(address, (on, record, accounts) => passTurn(on, record, accounts)),

    /** Undefined: they did not wait for it. */
    async leaveQueue(person: Pick<Asker, 'user' | 'session'>, address: AccountAddress): Promise<boolean> {
      const left = await change(address, async (on, record, accounts) => {
        const entry = (await rows.queueOf([address], on)).find(({ user }) => user === person.user)
        if (entry === undefined) return false
        await rows.leaveQueue(entry.id, on)
        record(events.leftQueue(entry, 'left', person.session))
        await passTurn(on, record, accounts)
        return true
      })
      if (left) await changed(address)
      return left
    },

    /** Decides anew for all that are open: those that would not be given today end. */
    async review(): Promise<void> {
      for (const address of await rows.waitedFor()) await reviewQueue(address)
      for await (const some of rows.open()) {
        for (const one of some) {
          const now = clock.now()
          if (!isOpen(one, now)) {
            await endOne(one.id, { reason: 'time-over', by: 'gateway' }, still => !isOpen(still, clock.now()))
          } else if (!(await mayKeep(one))) {
            await endOne(one.id, { reason: 'access-withdrawn', by: 'gateway' }, () => true)
          }
        }
      }
    },

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

  /** Whoever waits and could not have it any more, whatever they proved, keeps nobody else from their turn. */
  async function reviewQueue(address: AccountAddress): Promise<void> {
    const gone = new Set<string>()
    for (const entry of await rows.queueOf([address])) if (!(await mayWait(entry))) gone.add(entry.id)
    if (gone.size === 0) return
    await change(address, async (on, record, accounts) => {
      for (const entry of await rows.queueOf([address], on)) {
        if (!gone.has(entry.id)) continue
        await rows.leaveQueue(entry.id, on)
        record(events.leftQueue(entry, 'access withdrawn'))
      }
      await passTurn(on, record, accounts)
    })
    await changed(address)
  }

  async function mayWait({ user: name, account, target }: QueueEntry): Promise<boolean> {
    const user = await users.get(name)
    if (user === undefined || user.disabled) return false
    const person = { user: name, roles: user.roles, proven: new Set<Factor>(), sourceAddress: '' }
    const [entry] = await parts.targets.getAll([target])
    return entry !== undefined && (await access.known(person))(entry, account)
  }

  async function mayKeep({ user: name, account, target, way, proven, source }: CheckOut): Promise<boolean> {
    const user = await users.get(name)
    if (user === undefined || user.disabled) return false
    const person = { user: name, roles: user.roles, proven, sourceAddress: source }
    const terms = await access.checkOutTerms(person, { account, target })
    return terms.granted && terms.ways.has(way)
  }
}

/** Policy says no. `missing`: it would say yes if these were proven as well. */
export class NotAllowed extends GatewayError {
  readonly missing: readonly string[]

  constructor(message: string, missing: readonly string[] = []) {
    super('ACCESS_DENIED', message)
    this.missing = missing
  }
}

function sessionOf({ session }: Pick<Asker, 'session'>): { session?: string } {
  return session === undefined ? {} : { session }
}
