/** A person's own check-outs: what `ssh alice@gateway` and the API do for whoever is logged in, and for nobody else. Answers are plain data. */

import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Secret } from '../shared/secret.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import { encryptTo } from './age.ts'
import { type CheckOutDocument, checkOutDocument, isOpen } from './check-out.ts'
import type { CheckOuts, CheckOutWish } from './check-outs.ts'
import type { Reveal, Revealed, RevealWish } from './reveal.ts'
import { type Asker, NotAllowed } from './terms.ts'
import { obstacleText } from './words.ts'

/** What was ended lately is listed as well. */
const MOST_LISTED = 50

export type TakeAnswer =
  | { readonly is: 'taken'; readonly checkOut: CheckOutDocument }
  /** `until` in ISO 8601, where that is known; `holder` where they may know. */
  | {
      readonly is: 'not-now'
      readonly words: string
      readonly until: string | null
      readonly holder: string | null
      /** In the queue, counted from 1. */
      readonly place: number | null
    }
  /** With a one-time code, which was not asked for at the login, it would be theirs. */
  | { readonly is: 'needs-code' }

export interface WaitingDocument extends AccountAddress {
  readonly askedAt: string
  /** It is their turn until then. */
  readonly offeredUntil: string | null
}

/** Somebody else has it until then. */
export interface TakenDocument extends AccountAddress {
  readonly until: string
}

export interface OwnCheckOuts {
  /** `toAge`: whom its credential is to be encrypted for afterwards; nothing is checked out where that is no recipient. */
  take(address: AccountAddress, wish: CheckOutWish & { readonly toAge?: string | undefined }): Promise<TakeAnswer>
  /** Null where they have none of it. */
  checkIn(address: AccountAddress): Promise<CheckOutDocument | null>
  extend(address: AccountAddress, forMs: number | undefined): Promise<CheckOutDocument>
  /** Those that are open, then what ended lately; what they wait for, and what of the accounts that they may use others have alone. */
  list(): Promise<{ checkOuts: CheckOutDocument[]; waiting: WaitingDocument[]; taken: TakenDocument[] }>
  leaveQueue(address: AccountAddress): Promise<boolean>
  /** A code that was not asked for at the login: it counts from now on. */
  proveCode(code: Secret): Promise<boolean>
  /** `code`: asked for this act. */
  reveal(wish: RevealWish, code: Secret): Promise<Revealed>
}

interface Parts {
  readonly checkOuts: CheckOuts
  readonly reveal: Reveal
  /** As they are now. Throws where they could not be here any more. */
  readonly person: () => Promise<Asker>
  readonly proveCode: (code: Secret) => Promise<boolean>
}

export function createOwnCheckOuts({ checkOuts, reveal, person, proveCode }: Parts): OwnCheckOuts {
  return {
    async take(address, { toAge, ...wish }) {
      if (toAge !== undefined) await encryptTo(toAge)
      const taken = await checkOuts.take(await person(), address, wish).catch(error => {
        if (error instanceof NotAllowed && error.missing.includes('totp')) return undefined
        throw error
      })
      if (taken === undefined) return { is: 'needs-code' }
      if (taken.taken) return { is: 'taken', checkOut: checkOutDocument(taken.checkOut) }
      const { obstacle, seesHolder, place } = taken
      const held = obstacle.why === 'held' ? obstacle.by : undefined
      const until = held?.until ?? (obstacle.why === 'turn' ? obstacle.until : undefined)
      return {
        is: 'not-now',
        words: obstacleText(formatAccountAddress(address), obstacle, seesHolder),
        until: until === undefined ? null : isoTime(until),
        holder: held !== undefined && seesHolder ? held.user : null,
        place: place ?? null,
      }
    },

    async checkIn(address) {
      const ended = await checkOuts.checkIn(await person(), address)
      return ended === undefined ? null : checkOutDocument(ended)
    },

    async extend(address, forMs) {
      return checkOutDocument(await checkOuts.extend(await person(), address, forMs))
    },

    async list() {
      const asker = await person()
      const { user } = asker
      const [open, ended, waiting, taken] = await Promise.all([
        checkOuts.list({ user, state: 'open', limit: 1000 }),
        checkOuts.list({ user, state: 'ended', limit: MOST_LISTED }),
        checkOuts.waitingOf(user),
        checkOuts.takenByOthers(asker),
      ])
      const now = checkOuts.clock.now()
      const [still, over] = [open.filter(one => isOpen(one, now)), open.filter(one => !isOpen(one, now))]
      return {
        checkOuts: [...still, ...over, ...ended].map(checkOutDocument),
        waiting: waiting.map(({ account, target, askedAt, offeredUntil }) => ({
          ...{ account, target, askedAt: isoTime(askedAt) },
          offeredUntil: offeredUntil === undefined ? null : isoTime(offeredUntil),
        })),
        taken: taken.map(({ account, target, until }) => ({ account, target, until: isoTime(until) })),
      }
    },

    async leaveQueue(address) {
      return checkOuts.leaveQueue(await person(), address)
    },

    proveCode,

    async reveal(wish, code) {
      if (code.byteLength === 0) throw new GatewayError('BAD_REQUEST', 'It needs a one-time code.')
      return reveal(await person(), wish, () => proveCode(code))
    },
  }
}
