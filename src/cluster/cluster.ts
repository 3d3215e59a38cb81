/** What several gateways must agree on while they run: counters, liveness, messages. Two implementations: local, redis; workers use their gateway's. */

export interface Cluster {
  /** This gateway's id (`gw_…`), new at every start; of a worker, its own (`gw_…-1`). */
  readonly gateway: string
  /**
   * Adds one to a counter that forgets itself `ttlMs` after its last change; gives the new count.
   * Throws `CLUSTER_UNAVAILABLE`, like every method here, when the others cannot be reached.
   */
  count(key: string, ttlMs: number): Promise<number>
  /** The counter's value (0 when there is none) and how long ago it last changed, in milliseconds. */
  counted(key: string): Promise<{ count: number; ageMs: number }>
  /** Forgets a counter or value. */
  forget(key: string): Promise<void>
  /** Keeps a small text for `ttlMs`. */
  remember(key: string, value: string, ttlMs: number): Promise<void>
  recall(key: string): Promise<string | undefined>
  /** Sends to every gateway's subscribers, its own included. Payloads are bytes; at most once. */
  publish(channel: string, payload: Buffer): Promise<void>
  /**
   * Calls `listener` for each message on the channel until the returned function is called. While the others cannot be reached it
   * resolves too: the subscription then begins by itself when they are back.
   */
  subscribe(channel: string, listener: (payload: Buffer) => void): Promise<() => Promise<void>>
  /** The ids of the gateways that are alive, this one included. Undefined when that is not known (just reconnected). */
  livingGateways(): Promise<Set<string> | undefined>
  /** Calls `listener` whenever the others can be reached again: messages of the time between are lost. Returns an unsubscribe function. */
  onReturn(listener: () => void): () => void
  /** False while the others cannot be reached. */
  readonly available: boolean
  close(): Promise<void>
}

/** As far as sessions go: who guesses at passwords is counted where passwords are verified. */
export type SessionCluster = Omit<Cluster, 'count' | 'counted'>
