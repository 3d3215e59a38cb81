/** The life of a recording that is written: from its header to its seal, or to a failure. */

export type WriterState =
  /** It takes events, and writes them. */
  | 'open'
  /** So much waits for the disk that the session must end; what still happens in it is taken and written. */
  | 'overrun'
  /** It takes no more events; what waits is written, and then the seal. */
  | 'sealing'
  /** The seal is in the file. */
  | 'sealed'
  /** The file takes no more: what waits is lost. */
  | 'broken'

export type WriterEvent =
  /** Too much waits. */
  | 'overran'
  /** The session is over. */
  | 'seal'
  | 'sealed'
  /** The file, or the recorder itself, cannot go on. */
  | 'failed'

export function nextWriterState(state: WriterState, event: WriterEvent): WriterState {
  switch (event) {
    case 'overran':
      return state === 'open' ? 'overrun' : state
    case 'seal':
      return takesEvents(state) ? 'sealing' : state
    case 'sealed':
      return state === 'sealing' ? 'sealed' : state
    case 'failed':
      return state === 'sealed' ? state : 'broken'
  }
}

export function takesEvents(state: WriterState): boolean {
  return state === 'open' || state === 'overrun'
}

/** Whether nothing more will be written. */
export function isEnded(state: WriterState): boolean {
  return state === 'sealed' || state === 'broken'
}
