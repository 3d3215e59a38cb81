/** Whether an open session is paused, for its relay: nothing passes then, in either direction. */

export interface Pause {
  readonly paused: boolean
  /** Called after each change. One listener: the relay. */
  onChange: (() => void) | undefined
}
