/** What every bench is told. */

export interface BenchOptions {
  /** A first impression in under three minutes: smaller, shorter, fewer runs. */
  readonly quick: boolean
  /** A folder of its own, removed afterwards. */
  readonly folder: string
  /** What is to be ended afterwards, however the bench ends. */
  readonly stack: AsyncDisposableStack
  /** Tells the person what is being measured now. */
  say(what: string): void
}
