/** What a recording holds: one closed set of events for every protocol. `channel` is the channel's number in the session. */

/** Bytes as they passed, in the terminal's own encoding. */
export interface StreamEvent {
  readonly type: 'output' | 'stderr' | 'input'
  readonly channel: number
  readonly bytes: Buffer
  /** Never recorded: it stands in the place of `hidden-input`. */
  readonly revealed?: true
}

/** What is kept of a channel without a terminal up to a limit each. */
export type KeptStreamName = StreamEvent['type'] | 'hidden-input'

export type FactEvent =
  | { type: 'channel-open'; channel: number; kind: string; detail?: string }
  | { type: 'pty'; channel: number; term: string; columns: number; rows: number }
  | { type: 'resize'; channel: number; columns: number; rows: number }
  | { type: 'shell'; channel: number }
  | { type: 'exec'; channel: number; command: string }
  | { type: 'subsystem'; channel: number; name: string }
  | { type: 'environment'; channel: number; name: string; value: string }
  | { type: 'signal'; channel: number; name: string }
  | { type: 'exit'; channel: number; status?: number; signal?: string }
  /**
   * `cut`: the streams of which more passed than was kept, with the length and the hash (hex) of the whole; that of hidden input,
   * which could be used to guess it, is in `protected`.
   */
  | {
      type: 'channel-close'
      channel: number
      bytesIn: number
      bytesOut: number
      cut?: { stream: KeptStreamName; keptBytes: number; bytes: number; sha256?: string }[]
      protected?: string
    }
  /** An SFTP or scp operation; `sha256` (hex) where the whole file's bytes passed in order. */
  | {
      type: 'file'
      channel: number
      via: 'sftp' | 'scp'
      operation:
        | 'upload'
        | 'download'
        | 'remove'
        | 'rename'
        | 'mkdir'
        | 'rmdir'
        | 'symlink'
        | 'link'
        | 'setstat'
        | 'list'
        /** On the target, from `path` to `to`. */
        | 'copy'
        /** Something else that an SFTP client asked for; `path` is the name of the request. */
        | 'extension'
      path: string
      /**
       * What the sending side of scp called it, below `path` as the client asked for it, where these two do not say for sure which
       * file it is. Of an upload: `path/name` where the target has a folder `path`, else `path` in place of the first part of `name`.
       */
      name?: string
      /** The target's shell puts something else in place of a part of the path (`$HOME`, `~`, a pattern). */
      unexpanded?: true
      to?: string
      bytes?: number
      sha256?: string
      error?: string
      /** The number under which it was `asked`. */
      asked?: number
    }
  | { type: 'forward'; channel: number; kind: string; host: string; port: number }
  /** What policy refused inside the session. */
  | { type: 'refused'; what: string; reason: string; channel?: number }
  /** From here on this stream's bytes are counted but not kept; `channel-close` has the count and the hash. */
  | { type: 'truncated'; channel: number; stream: KeptStreamName; keptBytes: number }
  /** So many bytes of a program's standard input, which may hold a secret: they are in `protected`. */
  | { type: 'hidden-input'; channel: number; bytes: number; protected?: string }
  /** Never recorded: what readers are shown in place of output that is no text (`binary-output.ts`). */
  | { type: 'binary'; channel: number; bytes: number }
  /** Somebody watches the session from here on, or no longer. `silent`: its user is not told. */
  | { type: 'watched'; by: string; as: 'moderator' | 'follower'; what: 'came' | 'left'; silent?: true }
  /** Of a session that a moderator must watch: nothing passes while it is paused. */
  | { type: 'moderation'; state: 'begun' | 'paused' | 'resumed' }
  /** Words of the gateway to the person. */
  | { type: 'notice'; text: string }
  /**
   * A PostgreSQL statement when it has ended; durations in microseconds. `redacted`: secrets were taken out for good. `hidden`: which
   * literals are secrets is not sure, and all are hidden; what they are is in `protected` (protected-part.ts), as are values and
   * messages that may be secrets.
   *
   * `cut`: `text` is the head of a longer one, and these are the length and the hash (hex) of the whole. With `before` an earlier
   * statement of this recording has that whole, and they are of what it has; without, they are of what passed, and the hash is
   * missing where it could be used to guess a secret. `parametersBefore`: so many values, which an earlier statement has as well.
   *
   * `identity`: what was executed under a name is not known (`text` is the gateway's words, values that may be secrets are not
   * shown), or it is known but the name may stand for another statement: SQL may have given it anew, or nobody heard whether it was
   * given. `tag` in parentheses is the gateway's word as well.
   *
   * `undecoded`: the client encoding, where the statement's bytes are no text in it, or how it writes text is not known here. Each byte
   * stands as one character then (Latin-1): nothing is lost.
   */
  | {
      type: 'statement'
      text: string
      cut?: { readonly bytes: number; readonly sha256?: string; readonly before?: true }
      identity?: 'unknown' | 'doubtful'
      undecoded?: string
      protocol: 'simple' | 'extended'
      parameters?: readonly (string | null)[]
      parametersBefore?: number
      tag?: string
      rows?: number
      durationUs: number
      error?: { sqlstate: string; message: string }
      redacted?: true
      hidden?: true
      protected?: string
      /** Never recorded: what was protected stands in its place. */
      revealed?: true
      /** This, and all that has a lower number, is the answer to what was `asked`. */
      asked?: number
    }
  /**
   * What was asked of the target and has no answer yet, in the words of the fact that will tell of it then (`asked` in there says
   * to which number it belongs). Where no such fact follows, nor the end of the channel, nobody knows what became of it.
   */
  | { type: 'asked'; number: number; of: AskedFact; protected?: string }
  /** So much of a channel had passed by now, kept or not: what a crash leaves of a long transfer. */
  | { type: 'relayed'; channel: number; bytesIn: number; bytesOut: number }
  | { type: 'copy'; direction: 'in' | 'out'; bytes: number }
  | { type: 'parameter'; name: string; value: string; protected?: string }
  /** The key of the protected parts of this recording, sealed by the vault for a purpose of its own. */
  | { type: 'protected-key'; key: string }
  | { type: 'cancel' }

export type AskedFact = Extract<FactEvent, { type: 'statement' | 'file' }>

/** What a fact does not show to everybody who may read the recording. */
export interface ProtectedPart {
  /** A statement's text. */
  readonly text?: string
  /** Of the whole, in hex, where that statement or hidden input was cut. */
  readonly sha256?: string
  readonly parameters?: readonly (string | null)[]
  /** Of an error. */
  readonly message?: string
  /** Of a changed parameter. */
  readonly value?: string
}

export type RecordingEvent = StreamEvent | FactEvent

/** An event as it is read back: `at` in milliseconds since the recording began. */
export type RecordedEvent = RecordingEvent & { readonly at: number }

/** Stream bytes as they are read back, told apart from facts. */
export function isStream(event: RecordedEvent): event is StreamEvent & { readonly at: number } {
  return event.type === 'output' || event.type === 'stderr' || event.type === 'input'
}

/** What the header of a recording says. Everything is fixed when the recording begins. */
export interface RecordingSubject {
  readonly session: string
  readonly protocol: string
  readonly user: string
  readonly account: string
  readonly target: string
  /** Of a PostgreSQL session. */
  readonly database?: string
  readonly role: string
  /** The approved request that the session rests on. */
  readonly request?: string
  /** Why, and by which ticket, as the user said at the login. */
  readonly reason?: string
  readonly ticket?: string
  readonly source: string
  readonly gateway: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}
