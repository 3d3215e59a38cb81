/** Who listens to which channel inside this process. */

export type Listener = (payload: Buffer) => void

export class Subscribers {
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #failed: (channel: string, error: unknown) => void

  /** `failed` is called for listeners that threw: one of them must not keep a message from the others. */
  constructor(failed: (channel: string, error: unknown) => void) {
    this.#failed = failed
  }

  get channels(): string[] {
    return [...this.#listeners.keys()]
  }

  has(channel: string): boolean {
    return this.#listeners.has(channel)
  }

  /** Returns an unsubscribe function. One listener subscribed twice is two subscriptions. */
  add(channel: string, listener: Listener): () => void {
    const own: Listener = payload => listener(payload)
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners.add(own))
    return () => {
      listeners.delete(own)
      if (listeners.size === 0 && this.#listeners.get(channel) === listeners) this.#listeners.delete(channel)
    }
  }

  deliver(channel: string, payload: Buffer): void {
    for (const listener of [...(this.#listeners.get(channel) ?? [])]) {
      try {
        listener(payload)
      } catch (error) {
        this.#failed(channel, error)
      }
    }
  }

  clear(): void {
    this.#listeners.clear()
  }
}
