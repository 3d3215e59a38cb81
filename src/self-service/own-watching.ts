/** Live sessions of others, as whoever may watch them has them. */

export type WatchedAs = 'moderator' | 'follower'

export interface WatchableSession {
  readonly id: string
  readonly user: string
  readonly account: string
  readonly target: string
  readonly protocol: string
  /** `waiting` for a moderator, or `begun` with one; `live`: needs none. */
  readonly state: 'waiting' | 'begun' | 'live'
  readonly as: WatchedAs
  readonly since: string
}

export interface Watched {
  readonly as: WatchedAs
  /** Its events as lines (`event-lines.ts`), with nothing in between while nothing happens. Throws why it ended before its end. */
  readonly bytes: AsyncIterable<Buffer>
  /** Ends the session, where they are its moderator. */
  end(): Promise<void>
  leave(): void
}

/** Of the person of one login. */
export interface OwnWatching {
  list(): Promise<WatchableSession[]>
  /** Throws `NOT_FOUND` where they may not. */
  watch(session: string): Promise<Watched>
}
