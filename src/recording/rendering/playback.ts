/** Replays a recording in the terminal in real time: speed, pause, skipping idle time, seeking. */

import { setTimeout as delay } from 'node:timers/promises'
import type { RecordedEvent } from '../format/events.ts'
import { summariseBinary } from './binary-output.ts'
import { summariseHiddenInput } from './hidden-input.ts'
import { createScreen, type ScreenOptions } from './screen.ts'
import { withoutFinished } from './unfinished.ts'

export interface PlaybackOptions extends ScreenOptions {
  /** 1 is real time; Infinity shows events as they come (following a live session). */
  readonly speed?: number
  /** Longer pauses of the recording are cut to this, in its own milliseconds. */
  readonly idleLimitMs?: number
  /** Begin here, in milliseconds: what was before is shown at once. */
  readonly from?: number
}

export interface PlaybackTerminal {
  /** Resolves when more may be written. */
  write(text: string): Promise<void>
  /** What is typed, as it comes; see {@link KEYS}. */
  readonly keys?: AsyncIterable<string>
}

/** For help texts. */
export const KEYS = 'space pauses, < and > change the speed, ← and → go 10 s back and on, . skips the pause, q quits'

export interface Timing {
  now(): number
  /** Resolves after the time, or rejects when the signal aborts. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<unknown>
}

const realTiming: Timing = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
}

const SEEK_MS = 10_000
const MIN_SPEED = 1 / 16
const MAX_SPEED = 64
const MAX_SLEEP_MS = 60_000
const CLEAR = '\x1b[0m\x1b[H\x1b[2J\x1b[3J'

// biome-ignore lint/suspicious/noControlCharactersInRegex: what arrow keys send
const KEY = /\x1b[[O][A-D]|[\s\S]/g

type End = 'end' | 'quit'

/**
 * `open` gives the events from the beginning; it is called again to go back. Resolves `quit` when the viewer had enough. The
 * terminal is brought back to normal in every case; raw mode is the business of who gives the keys.
 */
export async function play(
  open: () => AsyncIterable<RecordedEvent> | Promise<AsyncIterable<RecordedEvent>>,
  terminal: PlaybackTerminal,
  options: PlaybackOptions,
  timing: Timing = realTiming,
): Promise<End> {
  const control = createControl(options)
  const keys = terminal.keys?.[Symbol.asyncIterator]()
  if (keys !== undefined) void listen(keys, control)
  try {
    for (;;) {
      const end = await playOnce(await open(), terminal, options, control, timing)
      if (end !== 'restart') return end
      await terminal.write(CLEAR)
    }
  } finally {
    control.state.quit = true
    void keys?.return?.()
  }
}

async function playOnce(
  events: AsyncIterable<RecordedEvent>,
  terminal: PlaybackTerminal,
  options: PlaybackOptions,
  control: Control,
  timing: Timing,
): Promise<End | 'restart'> {
  const { state } = control
  const screen = createScreen(options)
  state.position = 0
  try {
    for await (const event of summariseHiddenInput(summariseBinary(withoutFinished(events)))) {
      await control.until(event.at, timing)
      if (state.quit) return 'quit'
      if (state.restart) {
        state.restart = false
        return 'restart'
      }
      const text = screen.show(event)
      if (text !== '') await terminal.write(text)
    }
    return 'end'
  } finally {
    await terminal.write(`${screen.restore()}\r\n`)
  }
}

async function listen(keys: AsyncIterator<string>, control: Control): Promise<void> {
  for (let next = await keys.next(); next.done !== true && !control.state.quit; next = await keys.next()) {
    // Several keys may come at once; arrows also in the form of a terminal in application mode.
    for (const key of next.value.match(KEY) ?? []) control.press(key.replace('\x1bO', '\x1b['))
  }
}

type Control = ReturnType<typeof createControl>

function createControl({ speed = 1, idleLimitMs = Number.POSITIVE_INFINITY, from = 0 }: PlaybackOptions) {
  // `position` and `target` are times of the recording; what is before `target` is shown without waiting.
  const state = { position: 0, target: from, speed, paused: false, skip: false, restart: false, quit: false }
  let changed = new AbortController()

  function press(key: string): void {
    switch (key) {
      case ' ':
        state.paused = !state.paused
        break
      case '>':
      case '\x1b[A':
        state.speed = Math.min(MAX_SPEED, state.speed * 2)
        break
      case '<':
      case '\x1b[B':
        state.speed = Math.max(MIN_SPEED, state.speed / 2)
        break
      case '\x1b[C':
        state.target = state.position + SEEK_MS
        break
      case '\x1b[D':
        state.target = Math.max(0, state.position - SEEK_MS)
        state.restart = true
        break
      case '.':
        state.skip = true
        break
      case 'q':
      case '\x03':
        state.quit = true
        break
      default:
        return
    }
    changed.abort()
    changed = new AbortController()
  }

  /** Waits until the recording's time is `at`, or the viewer wants something else. */
  async function until(at: number, timing: Timing): Promise<void> {
    state.position = Math.max(state.position, at - idleLimitMs)
    while (!state.quit && !state.restart) {
      if (
        !state.paused &&
        (state.skip || state.position >= at || at <= state.target || state.speed === Number.POSITIVE_INFINITY)
      )
        break
      const { signal } = changed
      const begun = timing.now()
      const left = state.paused ? MAX_SLEEP_MS : Math.min(MAX_SLEEP_MS, (at - state.position) / state.speed)
      const { paused, speed } = state
      await timing.sleep(left, signal).catch(() => undefined)
      if (!paused) state.position = Math.min(at, state.position + (timing.now() - begun) * speed)
    }
    state.skip = false
    if (!state.restart) state.position = Math.max(state.position, at)
  }

  return { state, press, until }
}
